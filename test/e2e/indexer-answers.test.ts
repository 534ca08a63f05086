// What an indexer may answer, and what becomes of it in two workers that share one poll.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { send } from '../envoy/client';
import { type Echo, EchoServer } from '../envoy/echo';
import { type Envoy, startEnvoy } from '../envoy/process';
import { fleetBootstrap, INDEXER_CLUSTER, until } from './fleet';
import { POOL, TICK_MS } from './gateway';
import { type Mode, ScriptedIndexer } from './scripted-indexer';
import { ScriptedPool } from './scripted-pool';

const VMS = 3;
const CONNECTIONS = 16;
const STALE_MS = 1000;

let servers: EchoServer[];
beforeAll(async () => {
  servers = [await EchoServer.start(), await EchoServer.start()];
});
afterAll(async () => {
  for (const server of servers ?? []) await server.stop();
});

const promptOf = (name: string): string => `${name}. ${'Sphinx of black quartz, judge my vow. '.repeat(20)}`;

class Rig {
  private constructor(
    readonly envoy: Envoy,
    readonly address: string,
    readonly indexer: ScriptedIndexer,
    readonly pool: ScriptedPool,
  ) {}

  static async start(version: '1.40.0' | '1.37.0', pool: ScriptedPool, filter: object = {}): Promise<Rig> {
    const indexer = await ScriptedIndexer.start([pool]);
    const config = fleetBootstrap({
      pools: [{ name: POOL, cluster: POOL }],
      endpoints: { [POOL]: servers.map(({ address }) => address) },
      indexer: indexer.address,
      filter: { tickMs: TICK_MS, ...filter },
    });
    const envoy = await startEnvoy({ version, config, concurrency: VMS - 1 });
    const rig = new Rig(envoy, await envoy.address(), indexer, pool);
    await until(async () => (await rig.applied()) >= VMS, 'the first summary is in every VM');
    return rig;
  }

  async counter(name: string): Promise<number> {
    const stats = await this.envoy.stats(/kvane/);
    return stats[`wasmcustom.kvane.${name}`] ?? stats[`wasmcustom.kvane.${name}_pool=${POOL}`] ?? 0;
  }

  async applied(): Promise<number> {
    return (await this.counter('snapshots_applied')) + (await this.counter('deltas_applied'));
  }

  async hold(address: string, prompt: string): Promise<void> {
    const before = await this.applied();
    this.pool.hold(address, prompt);
    this.indexer.wake();
    await until(async () => (await this.applied()) >= before + VMS, 'the news is in every VM');
  }

  /** Many connections, so that both workers are asked. Who answered, by how many. */
  async ask(prompt: string): Promise<Record<string, number>> {
    const body = Buffer.from(JSON.stringify({ prompt }));
    const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => send(this.address, { path: '/v1/completions', body })));
    const counts: Record<string, number> = {};
    for (const { status, body: text } of answers) {
      expect(status).toBe(200);
      const { server } = JSON.parse(text.toString()) as Echo;
      counts[server] = (counts[server] ?? 0) + 1;
    }
    return counts;
  }

  async stop(): Promise<void> {
    await this.envoy.stop();
    await this.indexer.stop();
  }
}

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  const addresses = (): string[] => servers.map(({ address }) => address);
  let rig: Rig | undefined;
  const start = async (options: Parameters<typeof ScriptedPool.create>[2] = {}, filter: object = {}): Promise<Rig> => {
    rig = await Rig.start(version, await ScriptedPool.create(POOL, addresses(), options), filter);
    return rig;
  };
  afterEach(async () => {
    await rig?.stop();
    rig = undefined;
  });

  test('two workers route from one poll, of which never two are open', async () => {
    const { indexer, envoy } = await start();
    for (const [i, address] of addresses().entries()) {
      await rig!.hold(address, promptOf(`one poll ${i}`));
      expect(await rig!.ask(promptOf(`one poll ${i}`))).toEqual({ [address]: CONNECTIONS });
    }
    const workers = await envoy.stats(/main.*worker_\d\.downstream_cx_total|worker_\d\.downstream_cx_total/);
    const busy = Object.entries(workers).filter(([name, total]) => name.startsWith('listener.127') && total > 0);
    expect(busy.length).toBe(2);
    expect(await rig!.counter('credited')).toBeGreaterThanOrEqual(CONNECTIONS * 2 - 1);
    expect(indexer.mostOpen).toBe(1);
    expect(new Set(indexer.polls.map(({ proxy }) => proxy)).size).toBe(1);
  });

  test('answers of every wrong kind: the old summary goes on, the next good answer counts', async () => {
    const [first, second] = addresses() as [string, string];
    const { indexer } = await start();
    for (const mode of ['garbage', 'version', 'plain', 'error', 'cut'] as Mode[]) {
      await rig!.hold(first, promptOf(`held before ${mode}`));
      const failures = await rig!.counter('poll_failures');
      indexer.setMode(mode);
      await until(async () => (await rig!.counter('poll_failures')) > failures, `${mode}: the poll counts as failed`);
      expect(await rig!.ask(promptOf(`held before ${mode}`))).toEqual({ [first]: CONNECTIONS });
      indexer.setMode('serve');
      await rig!.hold(second, promptOf(`held after ${mode}`));
      expect(await rig!.ask(promptOf(`held after ${mode}`))).toEqual({ [second]: CONNECTIONS });
    }
    expect(await rig!.counter('summaries_discarded')).toBe(0);
  });

  test.each(['hang', 'garbage', 'error'] as Mode[])(
    '%s for longer than the age limit: requests go on unrouted, and are routed again after',
    async (mode) => {
      const [first] = addresses() as [string];
      const { indexer } = await start({ ageLimitMs: STALE_MS }, { indexer: { cluster: INDEXER_CLUSTER, waitMs: 100 } });
      indexer.setMode(mode);
      await until(async () => {
        await rig!.ask(promptOf('stale'));
        return (await rig!.counter('requests_reason=stale')) > 0;
      }, 'the summary is too old to be believed');
      const routed = await rig!.counter('routed');
      await rig!.ask(promptOf('stale'));
      expect(await rig!.counter('routed')).toBe(routed);
      indexer.setMode('serve');
      await rig!.hold(first, promptOf('again'));
      expect(await rig!.ask(promptOf('again'))).toEqual({ [first]: CONNECTIONS });
    },
  );

  test('gone and back at the same address, as another indexer with another epoch', async () => {
    const [first, second] = addresses() as [string, string];
    const { indexer } = await start();
    await rig!.hold(first, promptOf('moved'));
    await indexer.stop();
    expect(await rig!.ask(promptOf('moved'))).toEqual({ [first]: CONNECTIONS });
    const before = await rig!.counter('snapshots_applied');
    const other = await ScriptedPool.create(POOL, addresses());
    other.hold(second, promptOf('moved'));
    indexer.pools.set(POOL, other);
    await indexer.listen();
    await until(async () => (await rig!.counter('snapshots_applied')) >= before + VMS, 'the other epoch is in every VM');
    expect(await rig!.ask(promptOf('moved'))).toEqual({ [second]: CONNECTIONS });
  });

  test('switched off by the indexer, then no pod ready: Envoy alone serves, until there is something to say again', async () => {
    const [first] = addresses() as [string];
    const { pool, indexer } = await start();
    await rig!.hold(first, promptOf('off'));
    const { tables } = pool;
    const publish = async (change: Partial<typeof tables>): Promise<void> => {
      const before = await rig!.applied();
      pool.tables = { ...tables, ...change };
      pool.publisher.publish();
      indexer.wake();
      await until(async () => (await rig!.applied()) >= before + VMS, 'the change is in every VM');
    };
    const unrouted = async (): Promise<void> => {
      const routed = await rig!.counter('routed');
      expect(Object.keys(await rig!.ask(promptOf('off'))).length).toBe(2);
      await delay(5 * TICK_MS);
      expect(await rig!.counter('routed')).toBe(routed);
    };
    await publish({ parameters: { ...tables.parameters, enabled: false } });
    await unrouted();
    await publish({ endpoints: tables.endpoints.map((endpoint) => ({ ...endpoint, ready: false })) });
    await unrouted();
    await publish({});
    expect(await rig!.ask(promptOf('off'))).toEqual({ [first]: CONNECTIONS });
  });

  test('a summary of several parts, and one whose rows are all new', async () => {
    const [first] = addresses() as [string];
    const { pool, indexer } = await start({ expectedKeys: 60_000 });
    await rig!.hold(first, promptOf('parts').repeat(500));
    const before = await rig!.counter('snapshots_applied');
    pool.rotate();
    indexer.wake();
    await until(async () => (await rig!.counter('snapshots_applied')) >= before + VMS, 'the new rows are in every VM');
    expect(await rig!.ask(promptOf('parts').repeat(500))).toEqual({ [first]: CONNECTIONS });
  });

  test('a summary that does not fit is routed by load alone', async () => {
    const [first, second] = addresses() as [string, string];
    const { pool } = await start({ expectedKeys: 200_000 }, { maxSummaryBytes: 65_536 });
    await rig!.hold(first, promptOf('too large'));
    pool.setLoad(first, { kvUsage: 0.9, waiting: 50 });
    pool.setLoad(second, {});
    rig!.indexer.wake();
    await until(async () => (await rig!.ask(promptOf('too large')))[second] === CONNECTIONS, 'both workers go where there is room');
    expect(await rig!.counter('credited')).toBe(0);
    expect(await rig!.counter('summaries_discarded')).toBe(0);
  });
});
