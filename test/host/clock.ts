export interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Time that stands still until the test moves it. */
export class Clock {
  #timers: Timer[] = [];

  /** `nowMs`: milliseconds since 1970. */
  constructor(public nowMs = 1_700_000_000_000) {}

  after(ms: number, run: () => void): Timer {
    const timer = { at: this.nowMs + ms, run };
    this.#timers.push(timer);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Runs every timer that is due, in the order of time and then of arming. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.reduce<Timer | undefined>((best, timer) => (best && best.at <= timer.at ? best : timer), undefined);
      if (!next || next.at > end) break;
      this.cancel(next);
      this.nowMs = Math.max(this.nowMs, next.at);
      next.run();
    }
    this.nowMs = end;
  }
}
