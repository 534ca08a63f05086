// Answers polls: at once when there is something, else when something changes or the poller's patience ends.
import { ANSWER_MAX_BYTES } from '../../assembly/core/summary/format.js';
import type { Metrics } from '../metrics.js';
import type { Poll } from './poll.js';
import type { PollerState, Publisher } from './publisher.js';

const WAITERS_MAX = 10_000;

export class PollService {
  private readonly waiting = new Set<() => void>();
  private stopped = false;

  constructor(
    private readonly publishers: ReadonlyMap<string, Publisher>,
    private readonly metrics: Metrics,
  ) {}

  /** Something was published. */
  wake(): void {
    for (const check of [...this.waiting]) check();
  }

  /** Ends all waiting polls with an empty answer. */
  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** The messages for a poll; none when nothing changed in its time. `closed`: the poller went away. */
  answer(poll: Poll, closed: AbortSignal): Promise<Buffer[]> {
    const now = this.messages(poll);
    if (now.length > 0 || poll.waitMs === 0 || this.stopped || closed.aborted || this.waiting.size >= WAITERS_MAX)
      return Promise.resolve(now);
    return new Promise((resolve) => {
      const finish = (messages: Buffer[]): void => {
        clearTimeout(timer);
        this.waiting.delete(check);
        closed.removeEventListener('abort', onClosed);
        this.metrics.pollers.set(this.waiting.size);
        resolve(messages);
      };
      const check = (): void => {
        const messages = this.stopped ? [] : this.messages(poll);
        if (messages.length > 0 || this.stopped) finish(messages);
      };
      const onClosed = (): void => finish([]);
      const timer = setTimeout(() => finish([]), poll.waitMs);
      closed.addEventListener('abort', onClosed, { once: true });
      this.waiting.add(check);
      this.metrics.pollers.set(this.waiting.size);
    });
  }

  /** Deltas of all pools before snapshots: who keeps up is not held back by who does not. */
  private messages(poll: Poll): Buffer[] {
    const messages: Buffer[] = [];
    let room = ANSWER_MAX_BYTES;
    const add = (more: readonly Buffer[]): void => {
      messages.push(...more);
      for (const { length } of more) room -= length;
    };
    const behind: [Publisher, PollerState][] = [];
    for (const [name, state] of poll.pools) {
      const publisher = this.publishers.get(name);
      if (!publisher) continue;
      if (publisher.keepsUp(state)) add(publisher.messagesFor(state, room));
      else behind.push([publisher, state]);
    }
    for (const [publisher, state] of behind) add(publisher.messagesFor(state, room));
    return messages;
  }
}
