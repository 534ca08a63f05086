// The requests of one plugin configuration whose bodies are being read: newest first, so that the watchdog and a full arena find
// them without looking at streams that are done.

import { StreamContext } from 'as-proxy-wasm';
import { Body } from './body';
import { VmMetrics } from './metrics';

/** A stream as its neighbours in the list see it. */
export abstract class ReadingStream extends StreamContext {
  previous: ReadingStream | null = null;
  next: ReadingStream | null = null;
  /** Last time that bytes came, by the tick's clock. */
  progressMs: u64 = 0;
  readonly body: Body = new Body();

  /** Decides with what has arrived and lets the stream go, from outside its own callbacks. */
  abstract release(): void;
}

export class ReadingList {
  private first: ReadingStream | null = null;

  constructor(private readonly metrics: VmMetrics) {}

  add(stream: ReadingStream): void {
    const first = this.first;
    stream.previous = null;
    stream.next = first;
    if (first !== null) first.previous = stream;
    this.first = stream;
  }

  remove(stream: ReadingStream): void {
    const previous = stream.previous;
    const next = stream.next;
    if (previous !== null) previous.next = next;
    else if (this.first === stream) this.first = next;
    if (next !== null) next.previous = previous;
    stream.previous = null;
    stream.next = null;
  }

  /**
   * Makes room for `bytes` more of a stream within `limit` bytes for all bodies; the stream that holds most is let go first.
   * False: that is this one.
   */
  makeRoom(stream: ReadingStream, bytes: u32, limit: usize): bool {
    const wanted = <usize>stream.body.length + <usize>bytes;
    while (!stream.body.reserve(wanted, limit)) {
      const largest = this.largest();
      this.metrics.arenaReleases.add(1);
      if (largest === null || largest === stream || largest.body.length < stream.body.length) return false;
      largest.release();
      if (largest.body.length != 0) return false;
    }
    return true;
  }

  private largest(): ReadingStream | null {
    let largest: ReadingStream | null = null;
    let stream = this.first;
    while (stream !== null) {
      if (largest === null || stream.body.length > largest.body.length) largest = stream;
      stream = stream.next;
    }
    return largest;
  }

  /** Lets streams go that have made no progress for `lateMs`: above Envoy's own limit, which we cannot see, they would stall for ever. */
  watch(nowMs: u64, lateMs: u64): void {
    let stream = this.first;
    while (stream !== null) {
      const next = stream.next;
      if (nowMs > stream.progressMs + lateMs) {
        this.metrics.watchdogReleases.add(1);
        stream.release();
      }
      stream = next;
    }
  }
}
