import * as env from './env';
import { OUT_LONG, OUT_WORD } from './memory';
import { Status } from './status';
import { MetricKind } from './types';
import { Utf8 } from './utf8';

// Metrics live in the proxy: one value per name for all VMs. Envoy prefixes the names with `wasmcustom.` and shows them as
// soon as they are defined. Define at configuration time; a name per pod or user is unbounded memory in the proxy.

/** Stands for a metric that the host refused to define; every operation on it is refused in turn, without a trap. */
export const NO_METRIC: u32 = u32.MAX_VALUE;

export function defineMetric(kind: MetricKind, name: string): u32 {
  const bytes = Utf8.of(name);
  const status = env.proxy_define_metric(kind, bytes.ptr, bytes.length, OUT_WORD);
  bytes.free();
  return status === Status.Ok ? load<u32>(OUT_WORD) : NO_METRIC;
}

/** Adds to a counter (`offset` ≥ 1, else `BadArgument`) or gauge (any `offset`). */
export function incrementMetric(id: u32, offset: i64): Status {
  return env.proxy_increment_metric(id, offset);
}

/** Sets a gauge, records into a histogram, and *adds* to a counter. */
export function recordMetric(id: u32, value: u64): Status {
  return env.proxy_record_metric(id, value);
}

/** Value of a counter or gauge over all VMs; 0 when it cannot be had. */
export function metricValue(id: u32): u64 {
  return env.proxy_get_metric(id, OUT_LONG) === Status.Ok ? load<u64>(OUT_LONG) : 0;
}
