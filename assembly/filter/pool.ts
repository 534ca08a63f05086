// What one VM knows of one pool: the summary it routes by, the one it is loading, and the requests in flight.

import { Utf8 } from 'as-proxy-wasm';
import { ENDPOINTS_MAX } from '../core/summary/format';
import { poolNumber } from '../core/summary/message';
import { Summary } from '../core/summary/summary';
import { Head } from './head';
import { PoolMetrics } from './metrics';
import { PoolNames } from './shared-names';

/** Which endpoint a request is counted at. An id may pass to another address while the request runs. */
export class Flight {
  id: u32 = 0;
  addressHash: u64 = 0;
}

export class Pool {
  readonly utf8: Utf8;
  readonly number: u32;
  readonly names: PoolNames;
  readonly metrics: PoolMetrics;
  readonly head: Head = new Head();
  /** The summary that requests are routed by; null: none yet. */
  active: Summary | null = null;
  /** When the indexer was last heard, ms since 1970. */
  heardMs: u64 = 0;
  /** In flight through this VM, u32 per endpoint id. */
  readonly own: usize = zeroed();
  /** In flight through this VM, the other VMs and the other proxies, u32 per endpoint id: what a choice looks at. */
  readonly total: usize = zeroed();
  private readonly addresses: usize;

  constructor(readonly name: string) {
    const utf8 = Utf8.of(name);
    this.utf8 = utf8;
    this.number = poolNumber(utf8.ptr, utf8.length);
    this.names = new PoolNames(name);
    this.metrics = new PoolMetrics(name);
    const addresses = heap.alloc((<usize>ENDPOINTS_MAX) << 3);
    memory.fill(addresses, 0, (<usize>ENDPOINTS_MAX) << 3);
    this.addresses = addresses;
  }

  /** Whether the summary may be believed at `nowMs`. */
  isFresh(summary: Summary, nowMs: u64): bool {
    return nowMs < this.heardMs + <u64>summary.ageLimitMs;
  }

  /** A request goes to endpoint `id` of the active summary. */
  depart(summary: Summary, id: u32, flight: Flight): void {
    const hash = summary.endpoint(id).addressHash;
    const known = this.addresses + ((<usize>id) << 3);
    if (load<u64>(known) != hash) {
      store<u64>(known, hash);
      store<u32>(this.own + ((<usize>id) << 2), 0);
      store<u32>(this.total + ((<usize>id) << 2), 0);
    }
    flight.id = id;
    flight.addressHash = hash;
    step(this.own, id, 1);
    step(this.total, id, 1);
  }

  /** The request ended, whichever way. */
  arrive(flight: Flight): void {
    if (load<u64>(this.addresses + ((<usize>flight.id) << 3)) != flight.addressHash) return;
    step(this.own, flight.id, -1);
    step(this.total, flight.id, -1);
  }
}

function zeroed(): usize {
  const ptr = heap.alloc((<usize>ENDPOINTS_MAX) << 2);
  memory.fill(ptr, 0, (<usize>ENDPOINTS_MAX) << 2);
  return ptr;
}

function step(counts: usize, id: u32, by: i32): void {
  const ptr = counts + ((<usize>id) << 2);
  const value = <i32>load<u32>(ptr) + by;
  store<u32>(ptr, value < 0 ? 0 : <u32>value);
}
