// The filter's metrics. Names are bounded: pools and reasons come from configuration and code, never from requests. Tags stand in
// the names as `_pool=` and `_reason=`, which Envoy's stats_tags take apart (deploy/envoy).

import { defineMetric, incrementMetric, MetricKind } from 'as-proxy-wasm';
import { REASONS, Reason, reasonName } from '../core/prompt/reason';

function counter(name: string): u32 {
  return defineMetric(MetricKind.Counter, 'kvane.' + name);
}

/** Things that happen to a VM, not to a pool. */
export class VmMetrics {
  readonly polls: u32 = counter('polls');
  readonly pollFailures: u32 = counter('poll_failures');
  readonly messagesRefused: u32 = counter('messages_refused');
  readonly watchdogReleases: u32 = counter('watchdog_releases');
  readonly arenaReleases: u32 = counter('arena_releases');
}

/** Things that happen to a pool. */
export class PoolMetrics {
  /** Requests decided about, by why there was no more credit. */
  readonly requests: StaticArray<u32> = new StaticArray<u32>(REASONS);
  /** Requests that got a destination. */
  readonly routed: u32;
  /** Requests whose destination was believed to hold two strides or more. */
  readonly credited: u32;
  readonly promptBytes: u32;
  readonly predictedBytes: u32;
  readonly snapshots: u32;
  readonly deltas: u32;
  /** Messages whose content could not be, or that left the bits drifted. */
  readonly discarded: u32;
  /** Summaries left alone because a VM did not survive them. */
  readonly poisoned: u32;

  constructor(pool: string) {
    const tag = '_pool=' + pool;
    for (let reason = 0; reason < REASONS; reason++) this.requests[reason] = counter('requests_reason=' + reasonName(<Reason>reason) + tag);
    this.routed = counter('routed' + tag);
    this.credited = counter('credited' + tag);
    this.promptBytes = counter('prompt_bytes' + tag);
    this.predictedBytes = counter('predicted_bytes' + tag);
    this.snapshots = counter('snapshots_applied' + tag);
    this.deltas = counter('deltas_applied' + tag);
    this.discarded = counter('summaries_discarded' + tag);
    this.poisoned = counter('summaries_poisoned' + tag);
  }
}

export function count(metric: u32): void {
  incrementMetric(metric, 1);
}

/** Adds a quantity; 0 is no step that the host takes. */
export function add(metric: u32, amount: u64): void {
  if (amount != 0) incrementMetric(metric, <i64>amount);
}
