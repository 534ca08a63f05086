// Requests in flight, shared between the VMs of a proxy: each writes its own counts under its own name, the poller folds them into
// one value that all read. Source: DESIGN sections 6 and 7.
//
//   worker: u64 written, ms │ u32 entries │ (u16 endpoint id, u16 in flight) …
//   flight: u64 folded, ms  │ u32 entries │ (u16 endpoint id, u16 in flight in this proxy, u16 of it last reported to the indexer, u16 0) …

import { getShared, resultLength, resultPtr, Status, setShared } from 'as-proxy-wasm';
import { ENDPOINTS_MAX } from '../core/summary/format';
import { Pool } from './pool';
import { WORKER_NAMES, WORKERS_MAX } from './shared-names';

const HEAD_BYTES: usize = 12;
const WORKER_ENTRY: usize = 4;
const FLIGHT_ENTRY: usize = 8;
/** Counts of a VM that has not written for so long no longer count. */
const WORKER_AGE_MS: u64 = 3000;
const LIMIT = <u32>ENDPOINTS_MAX;

const buffer: usize = heap.alloc(HEAD_BYTES + <usize>ENDPOINTS_MAX * FLIGHT_ENTRY);
const folded: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 2);

function countAt(table: usize, id: u32): u32 {
  return load<u32>(table + ((<usize>id) << 2));
}

/** Value as a u16, full where it does not fit. */
function clamp(value: u32): u16 {
  return <u16>min<u32>(value, 0xffff);
}

export class Flights {
  /** What this VM last wrote, and what the proxy last reported, u32 per endpoint id. */
  private readonly published: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 2);
  private readonly reported: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 2);

  constructor(private readonly pool: Pool) {
    memory.fill(this.published, 0, (<usize>ENDPOINTS_MAX) << 2);
    memory.fill(this.reported, 0, (<usize>ENDPOINTS_MAX) << 2);
  }

  /** Writes this VM's counts. */
  publish(worker: u32, nowMs: u64): void {
    const pool = this.pool;
    let ptr = buffer + HEAD_BYTES;
    for (let id: u32 = 0; id < LIMIT; id++) {
      const own = countAt(pool.own, id);
      store<u32>(this.published + ((<usize>id) << 2), own);
      if (own == 0) continue;
      store<u16>(ptr, <u16>id);
      store<u16>(ptr, clamp(own), 2);
      ptr += WORKER_ENTRY;
    }
    store<u64>(buffer, nowMs);
    store<u32>(buffer, <u32>((ptr - buffer - HEAD_BYTES) / WORKER_ENTRY), 8);
    setShared(pool.names.workers[worker], buffer, ptr - buffer);
  }

  /** The poller's part: adds up what the VMs wrote, and writes the sum. */
  fold(nowMs: u64): void {
    const pool = this.pool;
    memory.fill(folded, 0, (<usize>ENDPOINTS_MAX) << 2);
    for (let worker: u32 = 0; worker < WORKERS_MAX; worker++) {
      if (getShared(WORKER_NAMES[worker]) != Status.Ok) break; // names are taken in order
      if (getShared(pool.names.workers[worker]) == Status.Ok) this.addWorker(nowMs);
    }
    let ptr = buffer + HEAD_BYTES;
    for (let id: u32 = 0; id < LIMIT; id++) {
      const sum = countAt(folded, id);
      const reported = countAt(this.reported, id);
      if ((sum | reported) == 0) continue;
      store<u16>(ptr, <u16>id);
      store<u16>(ptr, clamp(sum), 2);
      store<u16>(ptr, clamp(reported), 4);
      store<u16>(ptr, 0, 6);
      ptr += FLIGHT_ENTRY;
    }
    store<u64>(buffer, nowMs);
    store<u32>(buffer, <u32>((ptr - buffer - HEAD_BYTES) / FLIGHT_ENTRY), 8);
    setShared(pool.names.flight, buffer, ptr - buffer);
  }

  private addWorker(nowMs: u64): void {
    if (resultLength < HEAD_BYTES || load<u64>(resultPtr) + WORKER_AGE_MS < nowMs) return;
    const end = resultPtr + resultLength;
    let ptr = resultPtr + HEAD_BYTES;
    for (let left = load<u32>(resultPtr, 8); left != 0 && ptr + WORKER_ENTRY <= end; left--, ptr += WORKER_ENTRY) {
      const id = <u32>load<u16>(ptr);
      if (id >= LIMIT) continue;
      store<u32>(folded + ((<usize>id) << 2), countAt(folded, id) + <u32>load<u16>(ptr, 2));
    }
  }

  /** Takes the sum over the proxy, and what the indexer says of the others, into the counts that choices look at. */
  read(): void {
    const pool = this.pool;
    const summary = pool.active;
    if (summary === null) return;
    memory.fill(folded, 0, (<usize>ENDPOINTS_MAX) << 2);
    memory.fill(this.reported, 0, (<usize>ENDPOINTS_MAX) << 2);
    if (getShared(pool.names.flight) == Status.Ok && resultLength >= HEAD_BYTES) {
      const end = resultPtr + resultLength;
      let ptr = resultPtr + HEAD_BYTES;
      for (let left = load<u32>(resultPtr, 8); left != 0 && ptr + FLIGHT_ENTRY <= end; left--, ptr += FLIGHT_ENTRY) {
        const id = <u32>load<u16>(ptr);
        if (id >= LIMIT) continue;
        store<u32>(folded + ((<usize>id) << 2), <u32>load<u16>(ptr, 2));
        store<u32>(this.reported + ((<usize>id) << 2), <u32>load<u16>(ptr, 4));
      }
    }
    for (let id: u32 = 0; id < summary.endpointLimit; id++) {
      const siblings = positive(countAt(folded, id), countAt(this.published, id));
      const proxies = positive(<u32>summary.endpoint(id).inFlight, countAt(this.reported, id));
      store<u32>(pool.total + ((<usize>id) << 2), countAt(pool.own, id) + siblings + proxies);
    }
  }

  /** In flight at an endpoint in the whole proxy, by the `fold` just done; remembered as reported. */
  report(id: u32): u32 {
    const sum = countAt(folded, id);
    store<u32>(this.reported + ((<usize>id) << 2), sum);
    return sum;
  }
}

function positive(a: u32, b: u32): u32 {
  return a > b ? a - b : 0;
}
