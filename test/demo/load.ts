// One arm of the comparison: the workload, open loop at its arrival times, through one listener of Envoy, on empty caches.
import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '../engine/engine';
import { type Streamed, stream } from './client';
import { progress } from './screen';
import type { Workload } from './workload';

export interface ArmResult {
  /** Of the prompt tokens that engines looked up, the share found in cache: by their own prefix_cache counters. */
  readonly hitShare: number;
  readonly ttftP50Ms: number;
  readonly ttftP90Ms: number;
  readonly requestsPerSecond: number;
  readonly failed: number;
}

interface CacheCounters {
  readonly queries: number;
  readonly hits: number;
}

/** The sum over the engines' `/metrics`. */
async function readCounters(engines: readonly Engine[]): Promise<CacheCounters> {
  const pages = await Promise.all(engines.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
  const sum = (name: string): number =>
    pages.reduce((total, page) => total + Number(new RegExp(`^vllm:${name}_total\\{[^}]*\\} (\\S+)$`, 'm').exec(page)?.[1]), 0);
  return { queries: sum('prefix_cache_queries'), hits: sum('prefix_cache_hits') };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export async function runArm(label: string, address: string, engines: readonly Engine[], workload: Workload): Promise<ArmResult> {
  const before = await readCounters(engines);
  const total = workload.requests.length;
  let finished = 0;
  let failed = 0;
  const start = performance.now();
  const show = (last = false): void => {
    const seconds = (performance.now() - start) / 1000;
    const trouble = failed > 0 ? `, ${failed} failed` : '';
    progress(label, finished / total, `${finished}/${total} requests answered, ${seconds.toFixed(0)} s${trouble}`, last);
  };
  const running: Promise<Streamed>[] = [];
  for (const { atMs, body } of workload.requests) {
    const wait = start + atMs - performance.now();
    if (wait > 0) await delay(wait);
    running.push(
      stream(address, '/v1/chat/completions', body).then((streamed) => {
        finished++;
        if (!streamed.ok) failed++;
        show();
        return streamed;
      }),
    );
  }
  const streamed = await Promise.all(running);
  const seconds = (performance.now() - start) / 1000;
  show(true);
  const after = await readCounters(engines);
  const times = streamed.filter(({ ok }) => ok).map(({ firstTokenMs }) => firstTokenMs);
  times.sort((a, b) => a - b);
  return {
    hitShare: (after.hits - before.hits) / (after.queries - before.queries),
    ttftP50Ms: quantile(times, 0.5),
    ttftP90Ms: quantile(times, 0.9),
    requestsPerSecond: (total - failed) / seconds,
    failed,
  };
}
