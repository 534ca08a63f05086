// From shared data to a VM's own decoded copy, on the tick, a little at a time. Source: DESIGN section 7.

import { copyResult, getShared, resultLength, resultPtr, Status, setShared } from 'as-proxy-wasm';
import { DELTA_RING, HEADER_BYTES, KIND_DELTA, KIND_SNAPSHOT } from '../core/summary/format';
import { baseSequenceOf, checkMessage, epochOf, kindOfMessage, MessageStatus, partOf, partsOf, sequenceOf } from '../core/summary/message';
import { Applied, applySections, openSections, resumeSections, sectionsOffset } from '../core/summary/reader';
import { Summary } from '../core/summary/summary';
import { Head } from './head';
import { Pool } from './pool';
import { PARTS_MAX } from './shared-names';

/** Bits that one tick sets at most: about 0.3 ms. */
const BITS_PER_TICK: u32 = 50000;

/** A snapshot on its way in. */
class Loading {
  readonly summary: Summary = new Summary();
  part: u32 = 0;
  /** Copy of the part being applied, 0 between parts. */
  message: usize = 0;
  length: usize = 0;
  offset: usize = 0;

  constructor(
    readonly epoch: u64,
    readonly sequence: u64,
    readonly bank: u32,
    readonly parts: u32,
  ) {}

  free(): void {
    if (this.message != 0) heap.free(this.message);
    this.summary.free();
  }
}

export class Sync {
  private loading: Loading | null = null;
  /** A summary that a VM did not survive: not applied. */
  private poisonEpoch: u64 = 0;
  private poisonSequence: u64 = 0;
  private wantBuffer: usize = heap.alloc(16);

  constructor(
    private readonly pool: Pool,
    private readonly maxBytes: usize,
  ) {}

  /** Leaves this snapshot or delta alone. */
  avoid(epoch: u64, sequence: u64): void {
    this.poisonEpoch = epoch;
    this.poisonSequence = sequence;
  }

  /** Whether a tick has something to apply. Reads the head. */
  isBehind(): bool {
    const pool = this.pool;
    const head = pool.head;
    if (!head.read(pool.names.head)) return false;
    pool.heardMs = head.heardMs;
    const active = pool.active;
    return active === null || active.epoch != head.epoch || active.sequence != head.sequence;
  }

  /** Epoch and sequence of what `step` will apply next, for the note. */
  nextSequence(): u64 {
    const active = this.pool.active;
    return this.follows(active) ? active!.sequence + 1 : this.pool.head.snapshotSequence;
  }

  /** Applies what one tick may. Call after `isBehind` said so. */
  step(): void {
    const head = this.pool.head;
    if (this.follows(this.pool.active)) {
      this.dropLoading();
      this.applyDelta();
    } else this.applySnapshot(head);
  }

  private follows(active: Summary | null): bool {
    const head = this.pool.head;
    if (active === null || active.epoch != head.epoch || active.sequence > head.sequence) return false;
    if (head.sequence - active.sequence > <u64>DELTA_RING) return false;
    return active.sequence >= head.snapshotSequence || this.hasDelta(active);
  }

  /**
   * Whether the ring leads on from the active copy. Not where a snapshot came because no delta could carry the change (the matrix
   * grew, its row salt was rotated): the slot then holds an older delta or none, and waiting for it would be waiting for ever.
   */
  private hasDelta(active: Summary): bool {
    const sequence = active.sequence + 1;
    if (getShared(this.pool.names.deltas[<u32>(sequence % <u64>DELTA_RING)]) != Status.Ok) return false;
    if (resultLength < <usize>HEADER_BYTES || kindOfMessage(resultPtr) != KIND_DELTA) return false;
    return epochOf(resultPtr) == active.epoch && sequenceOf(resultPtr) == sequence && baseSequenceOf(resultPtr) == active.sequence;
  }

  private isPoison(epoch: u64, sequence: u64): bool {
    if (epoch != this.poisonEpoch || sequence != this.poisonSequence || epoch == 0) return false;
    this.pool.metrics.poisoned.add(1);
    return true;
  }

  /** The next delta: one a tick, so that the note names just what is being applied. Publications are further apart than ticks. */
  private applyDelta(): void {
    const pool = this.pool;
    const active = pool.active!;
    const sequence = active.sequence + 1;
    if (this.isPoison(active.epoch, sequence)) return this.discard();
    if (getShared(pool.names.deltas[<u32>(sequence % <u64>DELTA_RING)]) != Status.Ok) return;
    const ptr = resultPtr;
    if (checkMessage(ptr, resultLength, pool.number) != MessageStatus.Ok) return this.discard();
    // Another message: the ring has gone on since the head was read. The next tick sees.
    if (
      kindOfMessage(ptr) != KIND_DELTA ||
      epochOf(ptr) != active.epoch ||
      sequenceOf(ptr) != sequence ||
      baseSequenceOf(ptr) != active.sequence
    )
      return;
    openSections(ptr, resultLength, this.maxBytes);
    if (applySections(active, u32.MAX_VALUE) != Applied.Done) return this.discard();
    active.sequence = sequence;
    pool.metrics.deltas.add(1);
  }

  private applySnapshot(head: Head): void {
    let loading = this.loading;
    if (loading !== null && (loading.epoch != head.epoch || loading.sequence != head.snapshotSequence)) {
      this.dropLoading();
      loading = null;
    }
    if (loading === null) {
      if (head.parts == 0 || head.parts > PARTS_MAX) return;
      if (this.isPoison(head.epoch, head.snapshotSequence)) return this.want(head);
      // The ring no longer reaches back to this snapshot, or it was discarded once.
      if (head.sequence - head.snapshotSequence > <u64>DELTA_RING) return this.want(head);
      loading = new Loading(head.epoch, head.snapshotSequence, head.bank, head.parts);
      this.loading = loading;
    }
    if (loading.message == 0 && !this.takePart(loading)) return this.want(head);
    resumeSections(loading.message, loading.length, loading.offset, this.maxBytes);
    const applied = applySections(loading.summary, BITS_PER_TICK);
    loading.offset = sectionsOffset(loading.message);
    if (applied == Applied.Paused) return;
    if (applied != Applied.Done) {
      this.pool.metrics.discarded.add(1);
      this.dropLoading();
      return this.want(head);
    }
    heap.free(loading.message);
    loading.message = 0;
    if (++loading.part == loading.parts) this.finish(loading);
  }

  /** Copies the next part from its bank and checks it. */
  private takePart(loading: Loading): bool {
    const pool = this.pool;
    if (getShared(pool.names.part(loading.bank, loading.part)) != Status.Ok) return this.dropLoading();
    const ptr = resultPtr;
    const fits =
      checkMessage(ptr, resultLength, pool.number) == MessageStatus.Ok &&
      kindOfMessage(ptr) == KIND_SNAPSHOT &&
      epochOf(ptr) == loading.epoch &&
      sequenceOf(ptr) == loading.sequence &&
      partOf(ptr) == loading.part &&
      partsOf(ptr) == loading.parts;
    if (!fits) return this.dropLoading();
    loading.length = resultLength;
    loading.message = copyResult();
    openSections(loading.message, loading.length, this.maxBytes);
    loading.offset = sectionsOffset(loading.message);
    return true;
  }

  private finish(loading: Loading): void {
    const pool = this.pool;
    const summary = loading.summary;
    summary.epoch = loading.epoch;
    summary.sequence = loading.sequence;
    const old = pool.active;
    pool.active = summary;
    this.loading = null;
    if (old !== null) old.free();
    pool.metrics.snapshots.add(1);
  }

  private dropLoading(): bool {
    const loading = this.loading;
    if (loading !== null) loading.free();
    this.loading = null;
    return false;
  }

  /** The active copy is no longer what the indexer means: a new snapshot must come. It is routed by until then. */
  private discard(): void {
    const pool = this.pool;
    pool.metrics.discarded.add(1);
    pool.active!.epoch = 0;
    this.want(pool.head);
  }

  /** Asks the poller for a newer snapshot than the one that the head names. */
  private want(head: Head): void {
    store<u64>(this.wantBuffer, head.epoch);
    store<u64>(this.wantBuffer, head.snapshotSequence, 8);
    setShared(this.pool.names.want, this.wantBuffer, 16);
  }
}
