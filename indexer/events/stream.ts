// One ordered stream of events: one (pod, rank). Keeps the sequence, notices gaps and restarts, asks for replays and keeps live
// events in order behind them. Source: DESIGN section 4.3, facts on vLLM, section 4.
import { peekBatch } from './canonical.js';
import type { ReplayOutcome } from './replay.js';

export interface StreamSink {
  /** Applies a payload to the index. Returns the engine's time of the batch, when it has one. */
  apply(payload: Uint8Array): number | undefined;
  /** Forgets all blocks of the stream. */
  clear(reason: ClearReason): void;
}

export type ClearReason = 'sequence' | 'restart';
export type StreamEvent = 'gap' | 'duplicate' | 'late' | 'restart' | 'replay' | 'replay_failed' | 'overflow';

export interface StreamOptions {
  readonly sink: StreamSink;
  /** Absent: the engine has no replay socket. */
  readonly replay?: (from: bigint, onBatch: (sequence: bigint, payload: Uint8Array) => void, signal: AbortSignal) => Promise<ReplayOutcome>;
  /** Something to count or log. */
  readonly on?: (event: StreamEvent) => void;
}

/** Live events held back behind a replay, and sequence numbers remembered as missing. */
const HELD_MAX = 20_000;
const HELD_BYTES_MAX = 64 << 20;
const MISSING_MAX = 4_096;
/** Old-looking messages in a row that mean a restarted engine whose clock went back. */
const STALE_RUN_MAX = 8;

interface Held {
  readonly sequence: bigint;
  readonly payload: Uint8Array;
}

interface Replaying {
  readonly abort: AbortController;
  readonly held: Map<bigint, Held>;
  bytes: number;
  /** Of what is held, by sequence. */
  newest: { readonly sequence: bigint; readonly time: number } | undefined;
}

export class EventStream {
  /** Sequence of the newest event applied. */
  last: bigint | undefined;
  /** Every event since the engine's start was applied. */
  complete = false;
  restarts = 0;
  batches = 0;
  private lastTime = Number.NEGATIVE_INFINITY;
  private readonly missing = new Set<bigint>();
  private staleNext = -1n;
  private staleRun = 0;
  private replaying: Replaying | undefined;

  constructor(private readonly options: StreamOptions) {}

  get isReplaying(): boolean {
    return this.replaying !== undefined;
  }

  /** The socket (re)connected: whatever was missed is asked for. */
  connected(): void {
    if (!this.replaying && this.options.replay) this.startReplay(this.last === undefined ? 0n : this.last + 1n);
  }

  /** The engine restarted, was replaced or cleared without saying so. */
  reset(): void {
    this.forget('restart');
    this.connected();
  }

  stop(): void {
    this.replaying?.abort.abort();
    this.replaying = undefined;
  }

  receive(sequence: bigint, payload: Uint8Array): void {
    const expected = this.last === undefined ? undefined : this.last + 1n;
    if (this.replaying) this.hold(sequence, payload);
    else if (expected === undefined) this.first(sequence, payload);
    else if (sequence === expected) this.apply(sequence, payload);
    else if (sequence > expected) this.gap(expected, sequence, payload);
    else if (this.missing.delete(sequence)) {
      this.options.on?.('late');
      this.options.sink.apply(payload);
    } else if (sequence === this.last || this.looksStale(sequence, payload)) this.options.on?.('duplicate');
    else this.restart(sequence, payload);
  }

  private first(sequence: bigint, payload: Uint8Array): void {
    // llm-d-inference-sim counts from 1.
    const fromStart = sequence === 0n || (sequence === 1n && !this.options.replay);
    if (!fromStart && this.options.replay) this.startReplay(0n, { sequence, payload });
    else {
      this.complete = fromStart;
      this.apply(sequence, payload);
    }
  }

  private gap(expected: bigint, sequence: bigint, payload: Uint8Array): void {
    this.options.on?.('gap');
    if (this.options.replay) this.startReplay(expected, { sequence, payload });
    else {
      this.noteMissing(expected, sequence);
      this.apply(sequence, payload);
    }
  }

  private apply(sequence: bigint, payload: Uint8Array): void {
    this.last = sequence;
    this.staleRun = 0;
    this.batches++;
    this.lastTime = this.options.sink.apply(payload) ?? this.lastTime;
  }

  private noteMissing(from: bigint, to: bigint): void {
    this.complete = false;
    for (let sequence = from; sequence < to && this.missing.size < MISSING_MAX; sequence++) this.missing.add(sequence);
  }

  private restart(sequence: bigint, payload: Uint8Array): void {
    this.forget('sequence');
    this.first(sequence, payload);
  }

  private forget(reason: ClearReason): void {
    this.stop();
    this.restarts++;
    this.last = undefined;
    this.lastTime = Number.NEGATIVE_INFINITY;
    this.complete = false;
    this.missing.clear();
    this.staleRun = 0;
    this.options.on?.('restart');
    this.options.sink.clear(reason);
  }

  /** A number below the newest with an older time is a late copy; with a newer time it comes from a new process. */
  private looksStale(sequence: bigint, payload: Uint8Array): boolean {
    const time = peekBatch(payload)?.timestamp;
    if (time === undefined || time >= this.lastTime) return false;
    this.staleRun = sequence === this.staleNext ? this.staleRun + 1 : 1;
    this.staleNext = sequence + 1n;
    return this.staleRun < STALE_RUN_MAX;
  }

  private startReplay(from: bigint, live?: Held): void {
    const state: Replaying = { abort: new AbortController(), held: new Map(), bytes: 0, newest: undefined };
    this.replaying = state;
    if (live) this.hold(live.sequence, live.payload);
    this.options.on?.('replay');
    let expected = from;
    const onBatch = (sequence: bigint, payload: Uint8Array): void => {
      if (this.replaying !== state || sequence < expected) return;
      if (sequence > expected) this.noteMissing(expected, sequence);
      else if (from === 0n && sequence === 0n) this.complete = true;
      expected = sequence + 1n;
      this.apply(sequence, payload);
    };
    const finish = (outcome: ReplayOutcome): void => {
      if (this.replaying !== state) return;
      if (outcome.end !== 'marker') this.options.on?.('replay_failed');
      // Nothing published so far, and nothing missed.
      else if (from === 0n && this.last === undefined && state.held.size === 0) this.complete = true;
      this.release();
    };
    this.options.replay!(from, onBatch, state.abort.signal)
      .then(finish)
      .catch(() => this.options.on?.('replay_failed'));
  }

  /** Keeps a live event for after the replay. */
  private hold(sequence: bigint, payload: Uint8Array): void {
    const replaying = this.replaying!;
    const { held } = replaying;
    const applied = this.last === undefined ? undefined : { sequence: this.last, time: this.lastTime };
    const newest = !replaying.newest || (applied && applied.sequence > replaying.newest.sequence) ? applied : replaying.newest;
    const time = peekBatch(payload)?.timestamp ?? Number.POSITIVE_INFINITY;
    if (newest && sequence < newest.sequence && time > newest.time) {
      this.restart(sequence, payload);
      return;
    }
    if (held.has(sequence)) return;
    held.set(sequence, { sequence, payload });
    replaying.bytes += payload.length;
    if (!replaying.newest || sequence > replaying.newest.sequence) replaying.newest = { sequence, time };
    if (held.size < HELD_MAX && replaying.bytes < HELD_BYTES_MAX) return;
    this.options.on?.('overflow');
    replaying.abort.abort();
    this.release();
  }

  /** Ends the replay: what was held follows, in order. */
  private release(): void {
    const { held } = this.replaying!;
    this.replaying = undefined;
    for (const { sequence, payload } of [...held.values()].sort((a, b) => (a.sequence < b.sequence ? -1 : 1))) {
      if (this.last !== undefined && sequence <= this.last) continue;
      if (this.last !== undefined && sequence > this.last + 1n) this.noteMissing(this.last + 1n, sequence);
      if (this.last === undefined) this.complete = sequence === 0n;
      this.apply(sequence, payload);
    }
  }
}
