// The indexer goes away in every way that a process can, while requests keep coming: none of them may fail.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine } from '../engine/engine';
import { send } from '../envoy/client';
import { type Envoy, startEnvoy } from '../envoy/process';
import { type FleetPool, fleetBootstrap, freePort, indexerConfig, MODEL, startEngines, until } from './fleet';
import { IndexerProcess } from './indexer-process';

const CLIENTS = 4;
const THINK_MS = 20;
const AGE_LIMIT_MS = 1000;

let engines: Engine[];
let pools: FleetPool[];
let indexer: IndexerProcess;

beforeAll(async () => {
  engines = await startEngines(3, { blocks: 1024, timing: { decodeMsPerToken: 2 } });
  pools = [{ name: 'qwen', cluster: 'qwen', engines }];
  const config = indexerConfig(pools, { publish: { afterMs: 50, loadMs: 250, ageLimitMs: AGE_LIMIT_MS } });
  const plain = { ...config, pools: config.pools.map((pool) => ({ ...pool, rendering: 'none' as const })) };
  indexer = await IndexerProcess.start(plain, `127.0.0.1:${await freePort()}`);
});
afterAll(async () => {
  await indexer?.stop();
  await Promise.all((engines ?? []).map((engine) => engine.stop()));
});

const promptOf = (name: string): string => `${name}. ${'Pack my box with five dozen liquor jugs. '.repeat(20)}`;

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  let envoy: Envoy;
  let address: string;
  const answers: number[] = [];
  let loading = true;
  let load: Promise<unknown>;

  const complete = (prompt: string, max_tokens = 2) =>
    send(address, { path: '/v1/completions', body: Buffer.from(JSON.stringify({ model: MODEL, prompt, max_tokens })) });
  const counter = async (name: string): Promise<number> => (await envoy.stats(/kvane/))[`wasmcustom.kvane.${name}`] ?? 0;

  beforeAll(async () => {
    const endpoints = { qwen: engines.map((engine) => engine.address) };
    const config = fleetBootstrap({
      pools,
      endpoints,
      indexer: indexer.address,
      filter: { indexer: { cluster: 'kvane-indexer', waitMs: 500 } },
    });
    envoy = await startEnvoy({ version, config, concurrency: 2 });
    address = await envoy.address();
    await until(async () => (await counter('snapshots_applied_pool=qwen')) >= 3, 'the summary is in every VM');
    const client = async (id: number): Promise<void> => {
      for (let i = 0; loading; i++) {
        const prompt = promptOf(`${version} load ${(id * 7 + i) % 20}`);
        answers.push(
          await complete(prompt)
            .then(({ status }) => status)
            .catch(() => 0),
        );
        await delay(THINK_MS);
      }
    };
    load = Promise.all(Array.from({ length: CLIENTS }, (_, id) => client(id)));
  });
  afterAll(async () => {
    loading = false;
    await load;
    await envoy?.stop();
  });

  /** Requests are routed by residency: a prompt that is new finds its engine again, through both workers. */
  const routes = async (name: string): Promise<void> => {
    const prompt = promptOf(`${version} ${name}`);
    const { headers } = await complete(prompt);
    await until(async () => {
      const probes = await Promise.all(Array.from({ length: 8 }, () => complete(prompt, 0)));
      return probes.every((probe) => probe.headers['x-engine'] === headers['x-engine']);
    }, `${name}: both workers follow the prompt`);
  };
  const goesStale = async (): Promise<void> => {
    const before = await counter('requests_reason=stale_pool=qwen');
    await until(async () => (await counter('requests_reason=stale_pool=qwen')) > before, 'the summary is too old to be believed');
  };

  test('killed, and started again with nothing', async () => {
    await routes('before');
    await indexer.signal('SIGKILL');
    await goesStale();
    await indexer.launch();
    await routes('after the kill');
  });

  test('what engines stored before it started is known again: they replay it', async () => {
    const prompt = promptOf(`${version} replayed`);
    const { headers } = await complete(prompt);
    await indexer.signal('SIGKILL');
    await indexer.launch();
    await until(async () => {
      const probes = await Promise.all(Array.from({ length: 8 }, () => complete(prompt, 0)));
      return probes.every((probe) => probe.headers['x-engine'] === headers['x-engine']);
    }, 'the old prompt is found');
  });

  test('hung: it accepts and never answers, then wakes up', async () => {
    await indexer.signal('SIGSTOP');
    await goesStale();
    await indexer.signal('SIGCONT');
    await routes('after the hang');
  });

  test('stopped in an orderly way, and started again', async () => {
    await indexer.signal('SIGTERM');
    await delay(AGE_LIMIT_MS / 2);
    await indexer.launch();
    await routes('after the stop');
  });

  test('not one request failed in all that', async () => {
    loading = false;
    await load;
    expect(answers.length).toBeGreaterThan(200);
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    expect(await counter('summaries_discarded_pool=qwen')).toBe(0);
    expect((await envoy.stats(/vm_reload/))['wasm.kvane.vm_reload']).toBe(0);
  });
});
