// What all plugin configurations of one VM share: pools and their summaries, requests in flight, the clock of the last tick.
// A configuration update makes a second root in the same VM with the same globals. Source: DESIGN section 5.

import { getShared, LogLevel, logEnabled, nowNanoseconds, resultLength, resultPtr, Status, setShared, sharedCas } from 'as-proxy-wasm';
import { seedRandom } from '../core/routing/choose';
import { Flights } from './flights';
import { takeTag } from './lease';
import { flushCounters, VmMetrics } from './metrics';
import { PolledPool } from './poller';
import { Pool } from './pool';
import { NOTE_NAMES, WORKER_NAMES, WORKERS_MAX } from './shared-names';
import { Sync } from './sync';

const HEARTBEAT_MS: u64 = 1000;
const FLIGHTS_MS: u64 = 100;
/** A VM that has not shown life for so long has left its place. */
const WORKER_AGE_MS: u64 = 10000;
/** A note lasts one callback; one this old was left by a VM that did not survive what it says. Below the back-off of a reload. */
const NOTE_AGE_MS: u64 = 200;
const NOTE_BYTES: usize = 32;

const buffer: usize = memory.data(64, 8);

/** One pool and all that keeps it current. */
export class PoolEntry {
  readonly sync: Sync;
  readonly flights: Flights;
  readonly polled: PolledPool;

  constructor(
    readonly pool: Pool,
    maxSummaryBytes: usize,
  ) {
    const flights = new Flights(pool);
    this.sync = new Sync(pool, maxSummaryBytes);
    this.flights = flights;
    this.polled = new PolledPool(pool, flights);
  }
}

export class Vm {
  readonly metrics: VmMetrics = new VmMetrics();
  readonly pools: PoolEntry[] = [];
  readonly tag: u64 = takeTag();
  /** Time of the last tick, ms since 1970. */
  nowMs: u64;
  /** The `wasm` logger prints debug lines: asked once a tick. */
  debug: bool = false;
  /** A stream was seen: this is a worker's VM. */
  served: bool = false;
  /** Generation of the newest configuration in this VM: its root alone polls. */
  generation: u64 = 0;
  private worker: i32 = -1;
  private heartbeatMs: u64 = 0;
  private flightsMs: u64 = 0;

  constructor() {
    this.nowMs = nowNanoseconds() / 1000000;
    seedRandom(nowNanoseconds() ^ (this.tag << 32));
  }

  /** The pool of this name, made when first asked for. */
  entryOf(name: string, maxSummaryBytes: usize): PoolEntry {
    for (let i = 0; i < this.pools.length; i++) if (unchecked(this.pools[i]).pool.name == name) return unchecked(this.pools[i]);
    const entry = new PoolEntry(new Pool(name), maxSummaryBytes);
    this.pools.push(entry);
    return entry;
  }

  /** The clock, read anew. */
  now(): u64 {
    this.nowMs = nowNanoseconds() / 1000000;
    return this.nowMs;
  }

  /** Brings summaries and counts up to date. Every root ticks; the second within the same millisecond finds nothing to do. */
  tick(): void {
    this.now();
    this.debug = logEnabled(LogLevel.Debug);
    this.beat();
    for (let i = 0; i < this.pools.length; i++) this.applyOne(unchecked(this.pools[i]));
    flushCounters();
    if (this.nowMs < this.flightsMs + FLIGHTS_MS) return;
    this.flightsMs = this.nowMs;
    for (let i = 0; i < this.pools.length; i++) {
      const entry = unchecked(this.pools[i]);
      if (this.worker >= 0) entry.flights.publish(this.worker, this.nowMs);
      entry.flights.read();
    }
  }

  /** Applies what one tick may of one pool, with a note of what it is while it lasts. */
  private applyOne(entry: PoolEntry): void {
    const sync = entry.sync;
    if (!sync.isBehind()) return;
    const pool = entry.pool;
    if (this.worker >= 0) this.note(pool.number, pool.head.epoch, sync.nextSequence());
    sync.step();
    if (this.worker >= 0) this.note(0, 0, 0);
  }

  /** note: u64 written, ms │ u32 pool │ u32 0 │ u64 epoch │ u64 sequence; pool 0: nothing. */
  private note(pool: u32, epoch: u64, sequence: u64): void {
    store<u64>(buffer, this.nowMs);
    store<u64>(buffer, <u64>pool, 8);
    store<u64>(buffer, epoch, 16);
    store<u64>(buffer, sequence, 24);
    setShared(NOTE_NAMES[this.worker], buffer, NOTE_BYTES);
  }

  /** Shows that this VM lives; takes a place among the proxy's VMs first. */
  private beat(): void {
    if (this.worker < 0) {
      this.takePlace();
      if (this.worker >= 0) this.readNotes();
    }
    if (this.worker < 0 || this.nowMs < this.heartbeatMs + HEARTBEAT_MS) return;
    this.heartbeatMs = this.nowMs;
    this.writePlace(<u32>this.worker, 0);
  }

  private writePlace(place: u32, cas: u32): bool {
    store<u64>(buffer, this.tag);
    store<u64>(buffer, this.nowMs, 8);
    return setShared(WORKER_NAMES[place], buffer, 16, cas) == Status.Ok;
  }

  /** The first place that is free or was left. */
  private takePlace(): void {
    for (let place: u32 = 0; place < WORKERS_MAX; place++) {
      const taken =
        getShared(WORKER_NAMES[place]) == Status.Ok && resultLength == 16 && this.nowMs < load<u64>(resultPtr, 8) + WORKER_AGE_MS;
      // On a name that nobody wrote every writer wins: whose tag stands there afterwards has the place.
      if (taken && load<u64>(resultPtr) != this.tag) continue;
      if (taken || (this.writePlace(place, sharedCas) && this.owns(place))) {
        this.worker = place;
        return;
      }
    }
  }

  private owns(place: u32): bool {
    return getShared(WORKER_NAMES[place]) == Status.Ok && resultLength == 16 && load<u64>(resultPtr) == this.tag;
  }

  /** A VM that was loaded anew after a trap finds what its predecessor was applying, and leaves that alone. */
  private readNotes(): void {
    for (let place: u32 = 0; place < WORKERS_MAX; place++) {
      if (getShared(NOTE_NAMES[place]) != Status.Ok || resultLength != NOTE_BYTES) continue;
      if (load<u32>(resultPtr, 8) == 0) continue;
      if (load<u64>(resultPtr) + NOTE_AGE_MS > this.nowMs) continue;
      for (let i = 0; i < this.pools.length; i++) {
        const entry = unchecked(this.pools[i]);
        if (entry.pool.number == load<u32>(resultPtr, 8)) entry.sync.avoid(load<u64>(resultPtr, 16), load<u64>(resultPtr, 24));
      }
    }
  }
}

let vm: Vm | null = null;

/** The VM's state, made when first asked for: not before a callback, because it makes host calls. */
export function theVm(): Vm {
  let existing = vm;
  if (existing === null) {
    existing = new Vm();
    vm = existing;
  }
  return existing;
}
