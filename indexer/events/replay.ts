// Asks an engine's ROUTER socket for past events. Source: facts on vLLM, section 4.4.
import { Dealer } from 'zeromq';
import { readReplayed, sequenceFrame } from './frames.js';

export interface ReplayOutcome {
  readonly batches: number;
  /** marker: the engine said that this was all. Else the replay is cut short. */
  readonly end: 'marker' | 'silence' | 'deadline' | 'aborted' | 'failed';
}

export interface ReplayLimits {
  /** Replays at once; others wait. Default 8. */
  readonly concurrency?: number;
  /** Longest pause between two messages. Default 2000. */
  readonly silenceMs?: number;
  /** Longest replay. Default 15000. */
  readonly deadlineMs?: number;
}

export const MESSAGE_BYTES_MAX = 64 << 20;

/** Replays of all streams together: an engine's publisher stalls while it dumps, and so do we. */
export class Replayer {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly limits: ReplayLimits = {}) {}

  /** Never rejects. `onBatch` gets the batches from sequence `from` on, in the engine's order. */
  async replay(
    endpoint: string,
    from: bigint,
    onBatch: (sequence: bigint, payload: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<ReplayOutcome> {
    if (this.running >= (this.limits.concurrency ?? 8)) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.running++;
    try {
      return signal.aborted ? { batches: 0, end: 'aborted' } : await this.run(endpoint, from, onBatch, signal);
    } finally {
      this.running--;
      this.queue.shift()?.();
    }
  }

  private async run(
    endpoint: string,
    from: bigint,
    onBatch: (sequence: bigint, payload: Uint8Array) => void,
    signal: AbortSignal,
  ): Promise<ReplayOutcome> {
    const silence = this.limits.silenceMs ?? 2_000;
    const deadline = Date.now() + (this.limits.deadlineMs ?? 15_000);
    const socket = new Dealer({ linger: 0, receiveTimeout: silence, receiveHighWaterMark: 100_000, maxMessageSize: MESSAGE_BYTES_MAX });
    const close = (): void => socket.close();
    signal.addEventListener('abort', close, { once: true });
    let batches = 0;
    try {
      socket.connect(endpoint);
      await socket.send(['', sequenceFrame(from)]);
      while (Date.now() < deadline) {
        const message = readReplayed(await socket.receive());
        if (message === 'end') return { batches, end: 'marker' };
        if (message === 'malformed') continue;
        batches++;
        onBatch(message.sequence, message.payload);
      }
      return { batches, end: 'deadline' };
    } catch (error) {
      if (signal.aborted) return { batches, end: 'aborted' };
      return { batches, end: (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 'silence' : 'failed' };
    } finally {
      signal.removeEventListener('abort', close);
      socket.close();
    }
  }
}
