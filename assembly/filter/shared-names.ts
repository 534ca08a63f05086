// Names in Envoy's shared data. They are fixed, because nothing there can be deleted or listed; they carry a product prefix, the
// schema version and the pool, because gateways that set no vm_id share one name space. Source: DESIGN section 7.

import { Utf8 } from 'as-proxy-wasm';
import { DELTA_RING } from '../core/summary/format';

const PREFIX = 'kvane.1.';

/** Parts of a snapshot at most: what the largest summary takes. */
export const PARTS_MAX: u32 = 512;
/** VMs of one proxy that share their in-flight counts. */
export const WORKERS_MAX: u32 = 64;

export const TAG_NAME = Utf8.of(PREFIX + 'tag');
export const GENERATION_NAME = Utf8.of(PREFIX + 'generation');
export const LEASE_NAME = Utf8.of(PREFIX + 'lease');

function series(prefix: string, count: u32): Utf8[] {
  const names: Utf8[] = [];
  for (let i: u32 = 0; i < count; i++) names.push(Utf8.of(prefix + i.toString()));
  return names;
}

/** Heartbeats of the VMs, and what each is applying just now. */
export const WORKER_NAMES = series(PREFIX + 'worker.', WORKERS_MAX);
export const NOTE_NAMES = series(PREFIX + 'applying.', WORKERS_MAX);

export class PoolNames {
  readonly head: Utf8;
  readonly want: Utf8;
  readonly flight: Utf8;
  readonly deltas: Utf8[];
  readonly workers: Utf8[];
  private readonly banks: Utf8[][] = [[], []];
  private readonly prefix: string;

  constructor(pool: string) {
    const prefix = PREFIX + pool + '.';
    this.prefix = prefix;
    this.head = Utf8.of(prefix + 'head');
    this.want = Utf8.of(prefix + 'want');
    this.flight = Utf8.of(prefix + 'flight');
    this.deltas = series(prefix + 'delta.', DELTA_RING);
    this.workers = series(prefix + 'worker.', WORKERS_MAX);
  }

  /** Name of a snapshot part; made when first needed. part < PARTS_MAX. */
  part(bank: u32, part: u32): Utf8 {
    const names = this.banks[bank & 1];
    while (<u32>names.length <= part) names.push(Utf8.of(this.prefix + 'bank' + (bank & 1).toString() + '.' + names.length.toString()));
    return names[part];
  }
}
