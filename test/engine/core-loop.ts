// Gives the scheduler's steps their time. One timer per step, and steps start where the last one should have ended, so that timers
// that fire late do not add up.
import type { KvEvent } from './kv-events.js';
import type { TimingOptions } from './options.js';
import type { Scheduler, Step } from './scheduler.js';
import type { Sequence } from './sequence.js';

export class CoreLoop {
  private readonly scheduler: Scheduler;
  private readonly timing: Required<TimingOptions>;
  private readonly onEvents: (events: KvEvent[]) => void;
  private timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  private due = 0;
  private stopped = false;

  constructor(scheduler: Scheduler, timing: TimingOptions, onEvents: (events: KvEvent[]) => void) {
    this.scheduler = scheduler;
    this.timing = { prefillMsPerToken: 0, decodeMsPerToken: 0, stepMs: 0, ...timing };
    this.onEvents = onEvents;
  }

  submit(sequence: Sequence): void {
    sequence.arrivedAt = performance.now();
    this.scheduler.add(sequence);
    // a turn of the event loop later, so that the choices and prompts of one request begin in one step
    if (this.timer === undefined && !this.stopped) {
      this.due = performance.now();
      this.timer = setImmediate(() => this.begin());
    }
  }

  stop(): void {
    this.stopped = true;
    if (this.timer === undefined) return;
    clearTimeout(this.timer as NodeJS.Timeout);
    clearImmediate(this.timer as NodeJS.Immediate);
  }

  private begin(): void {
    this.timer = undefined;
    if (this.stopped) return;
    const step = this.scheduler.schedule();
    if (step === undefined) return;
    const { stepMs, prefillMsPerToken, decodeMsPerToken } = this.timing;
    this.due += stepMs + step.prefillTokens * prefillMsPerToken + (step.decodeTokens > 0 ? decodeMsPerToken : 0);
    const wait = this.due - performance.now();
    this.timer = wait > 0 ? setTimeout(() => this.finish(step), wait) : setImmediate(() => this.finish(step));
  }

  private finish(step: Step): void {
    if (this.stopped) return;
    const events = this.scheduler.finishStep(step);
    if (events.length > 0) this.onEvents(events);
    this.due = Math.max(this.due, performance.now() - 50);
    this.begin();
  }
}
