// Publishes one pool: one epoch, a sequence, a ring of deltas for pollers that keep up and a snapshot for the others.
// Source: DESIGN section 4.6, format.ts.
import { randomBytes } from 'node:crypto';
import { DELTA_RING, MESSAGE_MAX_BYTES } from '../../assembly/core/summary/format.js';
import type { Plane } from '../index/plane.js';
import type { Metrics } from '../metrics.js';
import type { SummaryLoad, SummaryTables } from './summary.js';
import { writeDelta, writeSnapshot } from './writer.js';

/** What a publisher reads of a pool. */
export interface Publishable {
  readonly name: string;
  /** Parts that did not change are the same objects as before. */
  readonly tables: SummaryTables;
  readonly planes: readonly Plane[];
  load(): SummaryLoad[];
  residentBlocks(): number;
}

export interface PublishTimings {
  readonly afterMs: number;
  readonly changedShare: number;
  readonly loadMs: number;
}

/** What a poller has, and what it asks for. */
export interface PollerState {
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** A snapshot of which it has the parts before `next`. */
  readonly snapshot?: { readonly epoch: bigint; readonly sequence: bigint; readonly next: number };
}

interface Snapshot {
  readonly sequence: bigint;
  readonly parts: readonly Buffer[];
  usedAt: number;
}

/** Publications are at least this far apart, whatever changes: 32 deltas must outlast a poll's round trip. */
const PAUSE_MS = 50;
/** In a small pool every event is a large share. */
const MANY_BLOCKS_MIN = 64;
/** While someone fetches a snapshot, the deltas behind it are kept beyond the ring. */
const SNAPSHOT_IN_USE_MS = 10_000;
const LONG_RING = 512;

export class Publisher {
  readonly epoch = randomBytes(8).readBigUInt64LE() || 1n;
  sequence = 0n;
  private readonly ring: Buffer[] = [];
  private snapshot: Snapshot | undefined;
  private published: Partial<SummaryTables> = {};
  private publishedLoad = new Map<number, SummaryLoad>();
  private pendingBlocks = 0;
  /** Changed blocks that do not wait for the timer. */
  private manyBlocks = MANY_BLOCKS_MIN;
  private lastPublish = Number.NEGATIVE_INFINITY;
  private lastLoad = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private due = 0;
  private stopped = false;

  constructor(
    private readonly pool: Publishable,
    private readonly timings: PublishTimings,
    private readonly metrics: Metrics,
    /** A new sequence is there. */
    private readonly onPublished: () => void,
  ) {}

  /** The first publication: from now on there is something to poll. */
  start(): void {
    this.publish();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  blocksChanged(blocks: number): void {
    this.pendingBlocks += blocks;
    this.scheduleIn(this.pendingBlocks >= this.manyBlocks ? 0 : this.timings.afterMs);
  }

  tablesChanged(): void {
    this.scheduleIn(0);
  }

  loadChanged(): void {
    this.scheduleIn(Math.max(0, this.lastLoad + this.timings.loadMs - performance.now()));
  }

  /** Sets the timer, or brings it forward. */
  private scheduleIn(delayMs: number): void {
    if (this.stopped || this.sequence === 0n) return;
    const now = performance.now();
    const due = Math.max(now + delayMs, this.lastPublish + PAUSE_MS);
    if (this.timer && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => this.publish(), due - now);
  }

  /** Publishes what changed, if anything did. */
  publish(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.pendingBlocks = 0;
    this.lastPublish = performance.now();
    const { pool, metrics } = this;
    this.manyBlocks = Math.max(MANY_BLOCKS_MIN, pool.residentBlocks() * this.timings.changedShare);
    const planes = pool.planes.flatMap((plane) => plane.publish() ?? []);
    const tables = this.changedTables();
    const load = this.changedLoad();
    if (this.sequence > 0n && planes.length === 0 && !tables && load.length === 0) return;
    this.sequence++;
    const whole = this.sequence === 1n || planes.some(({ rebuilt }) => rebuilt);
    const envelope = { pool: pool.name, epoch: this.epoch, sequence: this.sequence, publishedMs: Date.now() };
    const delta = whole
      ? undefined
      : writeDelta({ ...envelope, ...(tables && { tables }), ...(load.length > 0 && { load }), ...(planes.length > 0 && { planes }) });
    if (delta && delta.length <= MESSAGE_MAX_BYTES) {
      this.ring.push(delta);
      const inUse = this.snapshot && this.lastPublish - this.snapshot.usedAt < SNAPSHOT_IN_USE_MS;
      while (this.ring.length > (inUse ? LONG_RING : DELTA_RING)) this.ring.shift();
      metrics.publicationBytes.inc({ pool: pool.name }, delta.length);
    } else this.ring.length = 0;
    metrics.publications.inc({ pool: pool.name, kind: this.ring.length > 0 ? 'delta' : 'snapshot' });
    if (this.snapshot && !this.reaches(this.snapshot.sequence)) this.snapshot = undefined;
    metrics.publishTime.observe({ pool: pool.name }, (performance.now() - this.lastPublish) / 1000);
    this.onPublished();
  }

  /** Deltas are enough for this poller. */
  keepsUp({ epoch, sequence, snapshot }: PollerState): boolean {
    return epoch === this.epoch && !snapshot && this.reaches(sequence);
  }

  /** Messages for a poller, at most `room` bytes of them; none when it is up to date. */
  messagesFor(state: PollerState, room: number): Buffer[] {
    if (this.sequence === 0n) return [];
    if (this.keepsUp(state)) return this.deltasFrom(state.sequence, room);
    const goesOn = state.snapshot?.epoch === this.epoch && state.snapshot.sequence === this.snapshot?.sequence;
    const { sequence, parts } = this.snapshotNow(goesOn);
    const missing = parts.slice(goesOn ? state.snapshot!.next : 0);
    const sent = fitting(missing, room);
    return sent.length < missing.length ? sent : [...sent, ...this.deltasFrom(sequence, room - bytesOf(sent))];
  }

  /** Whether deltas lead from `sequence` to now. */
  private reaches(sequence: bigint): boolean {
    return sequence <= this.sequence && this.sequence - sequence <= BigInt(this.ring.length);
  }

  private deltasFrom(sequence: bigint, room: number): Buffer[] {
    return fitting(this.ring.slice(this.ring.length - Number(this.sequence - sequence)), room);
  }

  /**
   * Made for the first who asks. Kept for who has parts of it already; a newcomer gets one from which half of a proxy's ring of
   * deltas leads to now, or its VMs would never catch up.
   */
  private snapshotNow(goesOn: boolean): Snapshot {
    const start = performance.now();
    if (this.snapshot && (goesOn || this.sequence - this.snapshot.sequence <= BigInt(DELTA_RING / 2))) {
      this.snapshot.usedAt = start;
      return this.snapshot;
    }
    const { pool, epoch, sequence } = this;
    const tables = this.published as SummaryTables;
    const load = [...this.publishedLoad.values()];
    const planes = pool.planes.map((plane) => plane.state());
    const parts = writeSnapshot({ pool: pool.name, epoch, sequence, publishedMs: Date.now(), tables, load, planes });
    this.snapshot = { sequence, parts, usedAt: start };
    this.metrics.snapshotTime.observe({ pool: pool.name }, (performance.now() - start) / 1000);
    return this.snapshot;
  }

  private changedTables(): Partial<SummaryTables> | undefined {
    const now = this.pool.tables;
    const changed = (Object.keys(now) as (keyof SummaryTables)[]).filter((part) => now[part] !== this.published[part]);
    this.published = now;
    return changed.length === 0 ? undefined : Object.fromEntries(changed.map((part) => [part, now[part]]));
  }

  private changedLoad(): SummaryLoad[] {
    const now = this.pool.load();
    const changed = now.filter((load) => differs(load, this.publishedLoad.get(load.id)));
    if (changed.length > 0) this.lastLoad = performance.now();
    // What was not sent stays as it was last sent, so that small steps add up.
    this.publishedLoad = new Map(now.map((load) => [load.id, changed.includes(load) ? load : this.publishedLoad.get(load.id)!]));
    return changed;
  }
}

/** Half a percent of the KV cache is no news. */
const KV_STEP = 0.005;

const differs = (a: SummaryLoad, b: SummaryLoad | undefined): boolean =>
  !b || a.running !== b.running || a.waiting !== b.waiting || a.inFlight !== b.inFlight || Math.abs(a.kvUsage - b.kvUsage) > KV_STEP;

const bytesOf = (messages: readonly Buffer[]): number => messages.reduce((sum, { length }) => sum + length, 0);

/** As many messages from the front as fit. */
function fitting(messages: readonly Buffer[], room: number): Buffer[] {
  let left = room;
  const end = messages.findIndex(({ length }) => (left -= length) < 0);
  return end < 0 ? [...messages] : messages.slice(0, end);
}
