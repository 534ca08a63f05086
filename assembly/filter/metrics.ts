// The filter's metrics. Names are bounded: pools and reasons come from configuration and code, never from requests. Tags stand in
// the names as `_reason=` and `_pool=`, which Envoy's stats_tags take apart (deploy/envoy).
//
// A step of a counter is a host call; a request takes several. So steps are added up here and handed over on the tick.

import { defineMetric, incrementMetric, MetricKind } from 'as-proxy-wasm';
import { REASONS, Reason, reasonName } from '../core/prompt/reason';

const counters: Counter[] = [];

export class Counter {
  private readonly id: u32;
  private pending: u64 = 0;

  constructor(name: string) {
    this.id = defineMetric(MetricKind.Counter, 'kvane.' + name);
    counters.push(this);
  }

  add(amount: u64): void {
    this.pending += amount;
  }

  flush(): void {
    if (this.pending == 0) return;
    incrementMetric(this.id, <i64>this.pending);
    this.pending = 0;
  }
}

/** Hands all steps over to the host. */
export function flushCounters(): void {
  for (let i = 0; i < counters.length; i++) unchecked(counters[i]).flush();
}

/** Things that happen to a VM, not to a pool. */
export class VmMetrics {
  readonly polls: Counter = new Counter('polls');
  readonly pollFailures: Counter = new Counter('poll_failures');
  readonly messagesRefused: Counter = new Counter('messages_refused');
  readonly watchdogReleases: Counter = new Counter('watchdog_releases');
  readonly arenaReleases: Counter = new Counter('arena_releases');
}

/** Things that happen to a pool. */
export class PoolMetrics {
  /** Requests seen, by why there was no more credit. */
  readonly requests: Counter[] = [];
  /** Requests that got a destination. */
  readonly routed: Counter;
  /** Requests whose destination was believed to hold two strides or more. */
  readonly credited: Counter;
  readonly promptBytes: Counter;
  readonly predictedBytes: Counter;
  readonly snapshots: Counter;
  readonly deltas: Counter;
  /** Summaries thrown away: a message that could not be applied, or bits that had drifted. */
  readonly discarded: Counter;
  /** Summaries left alone because a VM did not survive them. */
  readonly poisoned: Counter;

  constructor(pool: string) {
    const tag = '_pool=' + pool;
    this.routed = new Counter('routed' + tag);
    this.credited = new Counter('credited' + tag);
    this.promptBytes = new Counter('prompt_bytes' + tag);
    this.predictedBytes = new Counter('predicted_bytes' + tag);
    this.snapshots = new Counter('snapshots_applied' + tag);
    this.deltas = new Counter('deltas_applied' + tag);
    this.discarded = new Counter('summaries_discarded' + tag);
    this.poisoned = new Counter('summaries_poisoned' + tag);
    for (let reason = 0; reason < REASONS; reason++) {
      this.requests.push(new Counter('requests_reason=' + reasonName(<Reason>reason) + tag));
    }
  }

  /** A request of the pool was seen. */
  seen(reason: Reason): void {
    this.requests[reason].add(1);
  }
}
