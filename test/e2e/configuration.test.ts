// Configurations that change while streams are open, and configurations that Envoy must not take.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BootstrapOptions, listener } from '../envoy/bootstrap';
import { openRequest, send } from '../envoy/client';
import { type Echo, EchoServer } from '../envoy/echo';
import { writeListeners } from '../envoy/listeners';
import { type Envoy, startEnvoy } from '../envoy/process';
import { filterConfiguration, filterPath, fleetBootstrap, freePort, INDEXER_CLUSTER, until } from './fleet';
import { POOL } from './gateway';
import { ScriptedIndexer } from './scripted-indexer';
import { ScriptedPool } from './scripted-pool';

const VMS = 3;
const DRAIN_SECONDS = 3;
const CONNECTIONS = 12;

const promptOf = (name: string): string => `${name}. ${'How vexingly quick daft zebras jump! '.repeat(20)}`;

/** Configuration, and what the log must say. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['', 'configuration: missing'],
  ['[]', 'configuration: must be an object'],
  ['{"pools":[{"name":"p","clusters":["c"]}]', 'configuration: not valid JSON'],
  ['{}', 'pools: missing'],
  ['{"pools":[]}', 'pools: must not be empty'],
  ['{"pools":[{"clusters":["c"]}]}', 'pools[0].name: missing'],
  ['{"pools":[{"name":"p","clusters":["c"]},{"name":"q"}]}', 'pools[1].clusters: missing'],
  ['{"pools":[{"name":"p","clusters":["c",7]}]}', 'pools[0].clusters[1]: must be a string that is not empty'],
  ['{"pools":[{"name":"p","clusters":["c"]}],"tickMs":0}', 'tickMs: must be a whole number from 1 to 1000'],
  ['{"pools":[{"name":"p","clusters":["c"]}],"tikMs":5}', 'tikMs: unknown field'],
  ['{"pools":[{"name":"p","clusters":["c"]}],"indexer":{"token":"t"}}', 'indexer.cluster: missing'],
  ['{"pools":[{"name":"p","clusters":["c"]}],"weights":{"prefix":-1}}', 'weights.prefix: must be a number from 0 to 1000'],
];

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  let servers: EchoServer[];
  let directory: string;
  let indexer: ScriptedIndexer;
  let pool: ScriptedPool;
  let envoy: Envoy;
  let address: string;
  let optionsFor: (configuration: string) => BootstrapOptions;

  const configurationOf = (more: object = {}): string =>
    filterConfiguration([{ name: POOL, cluster: POOL }], { tickMs: 10, watchdogMs: 30_000, ...more });
  const counter = async (name: string): Promise<number> => (await envoy.stats(/wasmcustom/))[`wasmcustom.kvane.${name}_pool=${POOL}`] ?? 0;
  const applied = async (): Promise<number> => (await counter('snapshots_applied')) + (await counter('deltas_applied'));
  const updates = async (): Promise<{ accepted: number; rejected: number }> => {
    const stats = await envoy.stats(/listener_manager.lds.update/);
    return { accepted: stats['listener_manager.lds.update_success'] ?? 0, rejected: stats['listener_manager.lds.update_rejected'] ?? 0 };
  };

  /** Resolves when Envoy has taken or refused it. */
  const update = async (configuration: string): Promise<boolean> => {
    const before = await updates();
    await writeListeners(directory, [listener(optionsFor(configuration))]);
    let now = before;
    await until(async () => {
      now = await updates();
      return now.accepted + now.rejected > before.accepted + before.rejected;
    }, 'Envoy has seen the listeners');
    return now.accepted > before.accepted;
  };
  const ask = async (prompt: string): Promise<(string | undefined)[]> => {
    const body = Buffer.from(JSON.stringify({ prompt }));
    const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => send(address, { path: '/v1/completions', body })));
    return [
      ...new Set(answers.map(({ status, body: text }) => (status === 200 ? (JSON.parse(text.toString()) as Echo).server : `${status}`))),
    ];
  };
  const hold = async (server: EchoServer, prompt: string): Promise<void> => {
    const before = await applied();
    pool.hold(server.address, prompt);
    indexer.wake();
    await until(async () => (await applied()) >= before + VMS, 'the news is in every VM');
  };

  beforeAll(async () => {
    servers = [await EchoServer.start(), await EchoServer.start()];
    directory = await mkdtemp(join(tmpdir(), 'kvane-lds-'));
    const addresses = servers.map((server) => server.address);
    pool = await ScriptedPool.create(POOL, addresses);
    indexer = await ScriptedIndexer.start([pool]);
    const port = await freePort();
    optionsFor = (configuration) => ({
      pool: { name: POOL, endpoints: addresses, policy: 'override_host' },
      filters: [{ wasm: filterPath(), configuration }],
      listen: { port },
    });
    const config = fleetBootstrap({
      pools: [{ name: POOL, cluster: POOL }],
      endpoints: { [POOL]: addresses },
      indexer: indexer.address,
      options: { listenersDirectory: directory },
    });
    await writeListeners(directory, [listener(optionsFor(configurationOf()))]);
    envoy = await startEnvoy({ version, config, concurrency: VMS - 1, drainSeconds: DRAIN_SECONDS });
    address = await envoy.address();
    await until(async () => (await applied()) >= VMS, 'the first summary is in every VM');
  });
  afterAll(async () => {
    await envoy?.stop();
    await indexer?.stop();
    for (const server of servers ?? []) await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('an update while bodies and answers are on their way: both arrive whole, and the summary is not fetched again', async () => {
    const [first, second] = servers as [EchoServer, EchoServer];
    await hold(first, promptOf('before the update'));
    const body = Buffer.from(JSON.stringify({ prompt: promptOf('before the update') }));
    const open = openRequest(address, { method: 'POST', path: '/v1/completions' });
    await open.write(body.subarray(0, 100));
    const streaming = send(address, { path: '/v1/completions', body, headers: { 'x-upstream': 'events=3' } });
    await first.holding(1);
    const snapshots = await counter('snapshots_applied');

    expect(await update(configurationOf({ bodyBytes: 65_536 }))).toBe(true);
    await until(async () => (await ask(promptOf('before the update'))).join() === first.address, 'the new configuration serves');
    await open.write(body.subarray(100));
    open.end();
    const answer = await open.response;
    expect([answer.status, (JSON.parse(answer.body.toString()) as Echo).server]).toEqual([200, first.address]);
    first.release();
    expect((await streaming).body.toString()).toMatch(/data: 3\n\ndata: \[DONE\]\n\n$/);
    expect(await counter('snapshots_applied')).toBe(snapshots);

    await hold(second, promptOf('after the update'));
    expect(await ask(promptOf('after the update'))).toEqual([second.address]);
  });

  test('after the old configuration is gone the new one polls on', async () => {
    const [first] = servers as [EchoServer];
    // Envoy replaces the filter chain alone where it can, and the listener where it must.
    await until(
      async () => Object.values(await envoy.stats(/total_(listeners|filter_chains)_draining/)).every((left) => left === 0),
      'it has drained',
    );
    await hold(first, promptOf('drained'));
    expect(await ask(promptOf('drained'))).toEqual([first.address]);
    const last = indexer.polls.slice(-2).map(({ proxy }) => proxy);
    expect(new Set(last).size).toBe(1);
    expect(last[0]).not.toBe(indexer.polls[0]!.proxy);
    expect(indexer.mostOpen).toBeLessThanOrEqual(2); // the old and the new configuration's, while both are there
  });

  test('a new indexer cluster, a new header: what an update says is what counts', async () => {
    expect(await update(configurationOf({ header: 'x-other-destination' }))).toBe(true);
    await until(async () => {
      const { body } = await send(address, { path: '/v1/completions', body: Buffer.from('{"prompt":"x"}') });
      return 'x-other-destination' in (JSON.parse(body.toString()) as Echo).headers;
    }, 'the other header is set');
    expect(await update(configurationOf({ indexer: { cluster: 'nobody' } }))).toBe(true);
    expect((await ask(promptOf('no indexer'))).every((server) => server !== '503')).toBe(true);
    expect(await update(configurationOf({ indexer: { cluster: INDEXER_CLUSTER } }))).toBe(true);
    await hold(servers[1]!, promptOf('back'));
    expect(await ask(promptOf('back'))).toEqual([servers[1]!.address]);
  });

  test.each(REFUSED)('%s is refused, the log names the field, and the old one goes on', async (configuration, message) => {
    const from = envoy.log.length;
    expect(await update(configuration)).toBe(false);
    await envoy.logged(new RegExp(message.replace(/[[\].*]/g, '\\$&')), { from });
    expect((await send(address, { path: '/v1/completions', body: Buffer.from('{"prompt":"x"}') })).status).toBe(200);
  });

  test('no VM died of any of it', async () => {
    expect((await envoy.stats(/vm_reload/))['wasm.kvane.vm_reload']).toBe(0);
  });
});
