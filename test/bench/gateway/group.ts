// `gateway`: a real Envoy with the filter against the same Envoy without. Both are alive all the time and take turns; what is
// compared are medians over rounds of paired differences. One Envoy worker, as the peers were measured.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bootstrap, type ClusterOptions, listener } from '../../envoy/bootstrap.js';
import { type Envoy, startEnvoy } from '../../envoy/process.js';
import { FILTER_WASM } from '../paths.js';
import { number, type Row } from '../report.js';
import { median, Rounds } from '../statistics.js';
import type { BenchOptions, GroupResult } from '../types.js';
import { SIZES, type Size } from '../workload/chats.js';
import { type Fleet, makeFleet } from '../workload/fleet.js';
import { LOAD_ROLE, type LoadRequests, type LoadResult, type LoadRun } from './load.js';
import { Polls } from './polls.js';
import { UPSTREAMS_ROLE } from './upstreams.js';

const POOLS = { 8: 'eight', 64: 'all' } as const;
type Pods = keyof typeof POOLS;
const PODS_MAX = 64;
const PREFIXES = 150;
const BLOCKS_PER_POD = 30_000;
const ROUNDS = 12;
const ROUND_MS = 700;
const WARM_MS = 1500;
const READY_MS = 60_000;

interface Cell {
  readonly size: Size;
  readonly pods: Pods;
  readonly connections: readonly number[];
}

const CELLS: readonly Cell[] = [
  ...(['2KiB', '32KiB', '128KiB'] as const).flatMap((size) => [8, 64].map((pods) => ({ size, pods: pods as Pods, connections: [1, 16] }))),
  { size: '400KiB', pods: 64, connections: [1] },
];

type Arm = 'plain' | 'kvane';

export async function benchGateway({ quick }: BenchOptions): Promise<GroupResult> {
  const bench = await GatewayBench.start(quick);
  try {
    const rows: Row[] = [];
    for (const cell of quick ? CELLS.slice(1, 2) : CELLS) rows.push(...(await bench.measure(cell)));
    return { rows, notes: bench.notes() };
  } finally {
    await bench.stop();
  }
}

class GatewayBench {
  private readonly generatorUs: number[] = [];
  private readonly upstreamUs: number[] = [];
  private fleet: { cell: string; fleet: Fleet } | undefined;

  private constructor(
    private readonly quick: boolean,
    private readonly polls: Polls,
    private readonly upstreams: ChildProcess,
    private readonly generator: ChildProcess,
    private readonly addresses: readonly string[],
    private readonly envoys: Readonly<Record<Arm, Envoy>>,
  ) {}

  static async start(quick: boolean): Promise<GatewayBench> {
    const polls = await Polls.start();
    const upstreams = child(UPSTREAMS_ROLE, `${PODS_MAX}`);
    const [{ ports }] = (await once(upstreams, 'message')) as [{ ports: number[] }];
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    const envoys = { plain: await envoyOf(addresses), kvane: await envoyOf(addresses, polls.address) };
    return new GatewayBench(quick, polls, upstreams, child(LOAD_ROLE), addresses, envoys);
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.envoys).map((envoy) => envoy.stop()));
    this.upstreams.disconnect();
    this.generator.disconnect();
    this.polls.stop();
  }

  notes(): string[] {
    return [
      'one Envoy 1.40.0 worker per arm, both alive, turns of equal length; added: median over rounds of the paired difference',
      `load generator ${number(median(this.generatorUs))} µs CPU per request, upstreams ${number(median(this.upstreamUs))} µs; nothing is retried`,
    ];
  }

  /** Rows of one size and number of pods. */
  async measure(cell: Cell): Promise<Row[]> {
    await this.prepare(cell);
    const rows: Row[] = [];
    for (const connections of cell.connections) rows.push(...(await this.rounds(cell, connections)));
    return rows;
  }

  /** Publishes the pool's summary and waits until the filter routes by it. */
  private async prepare({ size, pods }: Cell): Promise<void> {
    const bodyBytes = SIZES[size];
    const prefixes = this.quick ? 2 * pods : PREFIXES;
    const blocksPerPod = this.quick ? 2000 : BLOCKS_PER_POD;
    const fleet = await makeFleet({ bodyBytes, prefixes, addresses: this.addresses.slice(0, pods), blocksPerPod });
    this.fleet = { cell: `${size}/${pods}`, fleet };
    this.generator.send({
      bodies: fleet.requests.map(({ body, serialAt }) => ({ body: new Uint8Array(body), serialAt })),
    } satisfies LoadRequests);
    await once(this.generator, 'message');
    this.polls.publish(POOLS[pods], fleet);
    const target = await this.envoys.kvane.address(POOLS[pods]);
    for (const deadline = performance.now() + READY_MS; ; ) {
      const { requests, atHolder } = await this.load({ target, connections: 4, milliseconds: 100, pods });
      if (requests > 0 && atHolder === requests) break;
      if (performance.now() > deadline)
        throw new Error(`${this.fleet.cell}: after ${READY_MS} ms the filter does not route by its summary`);
    }
  }

  private async rounds({ size, pods }: Cell, connections: number): Promise<Row[]> {
    const rounds = new Rounds<`${Arm}/${'p50' | 'p99' | 'cpu'}`>();
    const holder: number[] = [];
    for (let round = -1; round < (this.quick ? 2 : ROUNDS); round++) {
      const arms: readonly Arm[] = round % 2 === 0 ? ['plain', 'kvane'] : ['kvane', 'plain'];
      for (const arm of arms) {
        const result = await this.turn(arm, pods, connections, round < 0 && !this.quick ? WARM_MS : ROUND_MS);
        if (round < 0) continue;
        rounds.add(`${arm}/p50`, result.p50Ms);
        rounds.add(`${arm}/p99`, result.p99Ms);
        rounds.add(`${arm}/cpu`, result.cpuMs);
        if (arm === 'kvane') holder.push(result.atHolder / result.requests);
      }
    }
    const id = `gateway/${size}/c${connections}/${pods}`;
    return [
      { id, metric: 'cpu_ms_per_request', value: rounds.median('kvane/cpu'), baseline: rounds.median('plain/cpu') },
      { id, metric: 'added_p50_ms', value: rounds.medianDifference('kvane/p50', 'plain/p50'), baseline: rounds.median('plain/p50') },
      { id, metric: 'added_p99_ms', value: rounds.medianDifference('kvane/p99', 'plain/p99'), baseline: rounds.median('plain/p99') },
      { id, metric: 'holder_share', value: Math.min(...holder) },
    ];
  }

  private async turn(arm: Arm, pods: Pods, connections: number, milliseconds: number): Promise<LoadResult & { cpuMs: number }> {
    const envoy = this.envoys[arm];
    const target = await envoy.address(POOLS[pods]);
    const upstream = await this.upstreamCpuUs();
    const cpu = cpuOf(envoy.pid);
    const result = await this.load({ target, connections, milliseconds, pods });
    const cpuMs = (cpuOf(envoy.pid) - cpu) / result.requests;
    if (result.failed > 0) throw new Error(`${arm}: ${result.failed} of ${result.requests} requests failed`);
    this.generatorUs.push(result.cpuUs / result.requests);
    this.upstreamUs.push(((await this.upstreamCpuUs()) - upstream) / result.requests);
    return { ...result, cpuMs };
  }

  private async load(run: LoadRun): Promise<LoadResult> {
    this.generator.send(run);
    const [result] = (await once(this.generator, 'message')) as [LoadResult];
    return result;
  }

  private async upstreamCpuUs(): Promise<number> {
    this.upstreams.send('cpu');
    const [{ cpuUs }] = (await once(this.upstreams, 'message')) as [{ cpuUs: number }];
    return cpuUs;
  }
}

/** This very program once more, in another role. */
function child(...args: string[]): ChildProcess {
  return fork(fileURLToPath(import.meta.url), args, { serialization: 'advanced', execArgv: [] });
}

function envoyOf(addresses: readonly string[], indexer?: string): Promise<Envoy> {
  const clusters: ClusterOptions[] = Object.entries(POOLS).map(([pods, name]) => ({ name, endpoints: addresses.slice(0, Number(pods)) }));
  const policy = indexer === undefined ? 'least_request' : 'override_host';
  const configuration = JSON.stringify({
    pools: Object.values(POOLS).map((name) => ({ name, clusters: [name] })),
    indexer: { cluster: 'indexer' },
  });
  const filters = indexer === undefined ? [] : [{ wasm: FILTER_WASM, configuration }];
  const strip = indexer !== undefined;
  const [first, second] = clusters.map((cluster) => ({ ...cluster, policy }) satisfies ClusterOptions) as [ClusterOptions, ClusterOptions];
  return startEnvoy({
    concurrency: 1,
    logLevel: 'warning',
    config: bootstrap({
      pool: first,
      listenerName: first.name,
      filters,
      strip,
      clusters: [second, ...(indexer === undefined ? [] : [{ name: 'indexer', endpoints: [indexer] }])],
      moreListeners: [listener({ pool: second, listenerName: second.name, filters, strip })],
    }),
  });
}

/** CPU time of all threads of a process, milliseconds: the scheduler's own count, nanoseconds (proc(5), schedstat). */
function cpuOf(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ', 1)[0]);
  }
  return nanoseconds / 1e6;
}
