import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import * as format from '../../assembly/core/summary/format.js';
import type { ConfigInput } from '../../indexer/config.js';
import { type Indexer, startIndexer } from '../../indexer/indexer.js';
import { Engine, type EngineOptions } from '../engine/engine.js';
import { QWEN3_FOLDER } from './local-renderer.js';
import { eventually, Poller } from './poller.js';

const running: { stop(): Promise<void> }[] = [];
const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
  running.push(one);
  return one;
};
const stopAll = async (): Promise<void> => {
  for (const one of running.splice(0).reverse()) await one.stop();
};
afterEach(stopAll);
afterAll(stopAll);

const engine = async (options: EngineOptions = {}) => keep(await Engine.start({ blocks: 512, ...options }));

type PoolInput = ConfigInput['pools'][number];
const fast = { publish: { afterMs: 20, loadMs: 50 }, scrape: { busyMs: 50, idleMs: 100, timeoutMs: 1_000, failures: 2 } };

function entry(one: Engine, more: Partial<PoolInput['engines'][number]> = {}): PoolInput['engines'][number] {
  return {
    address: one.address,
    ...(one.eventsEndpoint && { events: one.eventsEndpoint }),
    ...(one.replayEndpoint && { replay: one.replayEndpoint }),
    ...more,
  };
}

async function indexer(engines: PoolInput['engines'], pool: Partial<PoolInput> = {}, more: Partial<ConfigInput> = {}): Promise<Indexer> {
  const pools = [{ name: 'p', model: 'tiny-qwen3', tokenizer: QWEN3_FOLDER, engines, ...pool }];
  return keep(await startIndexer({ listen: '127.0.0.1:0', insecure: true, ...fast, pools, ...more }));
}

const prompt = (n: number, words = 200): string => Array.from({ length: words }, (_, i) => `word${n}x${i}`).join(' ');

async function complete(one: Engine, text: string, more: object = {}): Promise<void> {
  const response = await fetch(`${one.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tiny-qwen3', prompt: text, max_tokens: 1, ...more }),
  });
  expect(response.status).toBe(200);
  await response.arrayBuffer();
}

const blocksOf = (one: Indexer, n = 0): number => one.status()[0]!.endpoints[n]!.residentBlocks;
/** The indexer holds exactly what the engine holds. */
const agrees = (one: Indexer, engines: readonly Engine[]): Promise<unknown> =>
  eventually(
    () => engines.every((e, i) => e.stats().cachedBlocks > 0 && blocksOf(one, i) === e.stats().cachedBlocks),
    'indexer and engines agree',
  );

describe('following engines', () => {
  test.each(['arrays', 'maps', 'map-batch'] as const)('%s over real ZMQ: what the engine holds is what the index holds', async (layout) => {
    const one = await engine({ events: { layout }, blocks: 128 });
    const kvane = await indexer([entry(one)]);
    for (let n = 0; n < 12; n++) await complete(one, prompt(n));
    await agrees(kvane, [one]);
    const [status] = kvane.status();
    expect(status!.endpoints[0]!.events).toMatchObject({ complete: true, restarts: 0 });
    expect(await metric(kvane, 'kvane_event_blocks_total{pool="p",operation="removed"}')).toBeGreaterThan(0);
    expect(await metric(kvane, 'kvane_event_batches_undecodable_total')).toBe(0);
  });

  test('byte hashes, ranks, and engines that dial the central endpoint', async () => {
    const kvane0 = await indexer([{ address: '127.0.0.1:1' }], {}, { events: { bind: 'tcp://127.0.0.1:*' } });
    const dial = kvane0.eventsAddress!;
    await kvane0.stop();
    const ports = { dial, hashes: 'bytes' } as const;
    const [a, b] = [
      await engine({ events: { ...ports, replay: false } }),
      await engine({ events: { ...ports, topic: 'kv@pod-b@tiny-qwen3', replay: false } }),
    ];
    const stranger = await engine({ events: { ...ports, topic: 'kv@stranger@tiny-qwen3', replay: false } });
    const kvane = await indexer([entry(a), entry(b, { name: 'pod-b' })], {}, { events: { bind: dial } });
    await Promise.all([a, b, stranger].map((e) => e.subscribed()));
    await complete(a, prompt(1));
    await complete(b, prompt(2, 100));
    await complete(stranger, prompt(3));
    await agrees(kvane, [a, b]);
    await eventually(
      async () => (await metric(kvane, 'kvane_event_messages_dropped_total{reason="unknown_topic"}')) > 0,
      'stranger counted',
    );
  });

  test.each([2, 3] as const)('joined late: history by replay, %i frames', async (replayFrames) => {
    const one = await engine({ events: { replayFrames } });
    for (let n = 0; n < 5; n++) await complete(one, prompt(n));
    const kvane = await indexer([entry(one)]);
    await agrees(kvane, [one]);
    await complete(one, prompt(9));
    await agrees(kvane, [one]);
    expect(kvane.status()[0]!.endpoints[0]!.events.complete).toBe(true);
  });

  test('messages lost on the way: replayed, in order, nothing counted twice', async () => {
    const one = await engine({ blocks: 128 });
    const kvane = await indexer([entry(one)]);
    await one.subscribed();
    await complete(one, prompt(0));
    one.injectEventFault('drop', 2);
    for (let n = 1; n < 8; n++) await complete(one, prompt(n));
    await agrees(kvane, [one]);
    expect(kvane.status()[0]!.endpoints[0]!.events).toMatchObject({ complete: true, restarts: 0 });
    expect(await metric(kvane, 'kvane_stream_incidents_total{pool="p",kind="gap"}')).toBeGreaterThan(0);
  });

  test('messages twice and in the wrong order', async () => {
    const one = await engine({ blocks: 128 });
    const kvane = await indexer([entry(one)]);
    await one.subscribed();
    await complete(one, prompt(0));
    one.injectEventFault('duplicate', 3);
    for (let n = 1; n < 4; n++) await complete(one, prompt(n));
    one.injectEventFault('reorder', 2);
    for (let n = 4; n < 8; n++) await complete(one, prompt(n));
    await agrees(kvane, [one]);
    expect(kvane.status()[0]!.endpoints[0]!.events.restarts).toBe(0);
  });

  test('engine restarted: its blocks are forgotten, then learned anew', async () => {
    const one = await engine();
    const kvane = await indexer([entry(one)]);
    await complete(one, prompt(0));
    await agrees(kvane, [one]);
    await one.restart();
    await eventually(() => blocksOf(kvane) === 0, 'forgotten');
    await one.subscribed();
    await complete(one, prompt(1, 50));
    await agrees(kvane, [one]);
    expect(kvane.status()[0]!.endpoints[0]!.events.restarts).toBe(1);
  });

  test('engine gone: withdrawn with its load; back: served again', async () => {
    const [a, b] = [await engine(), await engine()];
    const kvane = await indexer([entry(a), entry(b)]);
    const ready = () => kvane.status()[0]!.endpoints.map((e) => e.ready);
    await eventually(() => ready().every(Boolean), 'both ready');
    await a.stop();
    await eventually(() => !ready()[0], 'withdrawn');
    expect(
      kvane.pools
        .get('p')!
        .load()
        .map(({ id }) => id),
    ).toEqual([1]);
    await a.restart();
    await eventually(() => ready()[0], 'back');
  });
});

describe('render programs', () => {
  test('learned from the engine; chats and completions', async () => {
    const one = await engine();
    const kvane = await indexer([entry(one)]);
    const rendering = await eventually(
      () => kvane.status()[0]!.rendering?.state === 'learned' && kvane.status()[0]!.rendering,
      'learned',
      30_000,
    );
    expect(rendering!.reason).toBeUndefined();
    expect(rendering!.places).toBeGreaterThan(40);
    expect(rendering!.verified).toBeGreaterThanOrEqual(100);
    const [program] = kvane.pools.get('p')!.tables.programs;
    expect(program).toMatchObject({ chat: true, nfc: true, variant: '{}' });
    expect(program!.completionPrefix).toHaveLength(0);
  });

  test('engine without /render: says why, completions only', async () => {
    const one = await engine({ render: false });
    const kvane = await indexer([entry(one)]);
    const reason = await eventually(
      () => kvane.status()[0]!.rendering?.state === 'waiting' && kvane.status()[0]!.rendering!.reason,
      'a reason',
    );
    await eventually(() => kvane.status()[0]!.rendering!.reason!.includes('--enable-scale-out'), 'the flag is named');
    expect(reason).toBeDefined();
    expect(kvane.pools.get('p')!.tables.programs).toMatchObject([{ chat: false }]);
    await eventually(() => kvane.isReady(), 'ready with a stated reason');
  });
});

describe('load only', () => {
  test('unreadable tokenizer: the pool serves load, says why, and the other pool is whole', async () => {
    const [a, b] = [await engine(), await engine()];
    const pools = [
      { name: 'broken', model: 'tiny-qwen3', tokenizer: '/nowhere/tokenizer.json', engines: [entry(a)] },
      { name: 'p', model: 'tiny-qwen3', tokenizer: QWEN3_FOLDER, engines: [entry(b)] },
    ];
    const kvane = keep(await startIndexer({ listen: '127.0.0.1:0', insecure: true, ...fast, pools }));
    await eventually(() => kvane.status().every(({ endpoints }) => endpoints[0]!.ready), 'both ready');
    expect(kvane.status()[0]!.tokenizer).toEqual({ refused: expect.stringContaining('/nowhere/tokenizer.json') });
    const poller = new Poller(kvane.url, 'broken');
    const [snapshot] = await eventually(async () => {
      const got = await poller.catchUp();
      return got.some(({ sections }) => sections.some(({ type, b }) => type === format.SECTION_LOAD && b === 1)) && got;
    }, 'load published');
    const types = snapshot!.sections.map(({ type }) => type);
    expect(types).toContain(format.SECTION_ENDPOINTS);
    expect(types).not.toContain(format.SECTION_PLANE);
  });
});

describe('polls', () => {
  test('a newcomer gets a snapshot, then deltas; a long poll wakes on change', async () => {
    const one = await engine();
    const kvane = await indexer([entry(one)]);
    await eventually(() => kvane.status()[0]!.rendering?.state === 'learned', 'learned', 30_000);
    const poller = new Poller(kvane.url, 'p');
    const first = await poller.catchUp();
    expect(first[0]).toMatchObject({ kind: format.KIND_SNAPSHOT, part: 0 });
    expect(poller.snapshots).toBe(1);
    // Load may still settle; then nothing comes.
    await eventually(async () => (await poller.poll(150)).length === 0, 'quiet');
    const waiting = poller.poll(20_000);
    const start = performance.now();
    await complete(one, prompt(1));
    const woken = await waiting;
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(woken[0]!.kind).toBe(format.KIND_DELTA);
    await eventually(async () => {
      const more = await poller.poll(1_000);
      return [...woken, ...more].some(({ sections }) =>
        sections.some(({ type }) => type === format.SECTION_TOGGLES || type === format.SECTION_PLANE),
      );
    }, 'bits arrive');
    expect(poller.snapshots).toBeLessThanOrEqual(2);
  });

  test('an indexer of another epoch: snapshot', async () => {
    const one = await engine();
    const kvane = await indexer([entry(one)]);
    const poller = new Poller(kvane.url, 'p');
    poller.epoch = 7n;
    poller.sequence = 3n;
    expect((await poller.poll())[0]).toMatchObject({ kind: format.KIND_SNAPSHOT });
    expect(poller.epoch).toBe(kvane.publishers.get('p')!.epoch);
  });
});

describe('HTTP', () => {
  let kvane: Indexer;
  beforeAll(async () => {
    const pools = [{ name: 'p', model: 'm', engines: [{ address: '127.0.0.1:1' }] }];
    kvane = await startIndexer({ listen: '127.0.0.1:0', token: { value: 'geheim' }, pools });
  });
  afterAll(() => kvane.stop());

  const post = (body: string, headers: Record<string, string> = { authorization: 'Bearer geheim' }) =>
    fetch(`${kvane.url}/v1/poll`, { method: 'POST', headers, body });
  const good = { version: 1, proxy: 'x', wait_ms: 0, pools: [{ name: 'p', epoch: '0000000000000000', sequence: 0 }] };

  test('token: right, wrong, none', async () => {
    expect((await post(JSON.stringify(good))).status).toBe(200);
    for (const authorization of ['Bearer geheim2', 'Bearer ', 'geheim', '']) {
      expect((await post(JSON.stringify(good), { authorization })).status).toBe(401);
    }
    expect((await fetch(`${kvane.url}/v1/pools`)).status).toBe(401);
  });

  test.each<[string, string]>([
    ['{', 'not JSON'],
    ['null', 'Expected object'],
    ['{"version":2,"proxy":"x","pools":[]}', '/version'],
    [JSON.stringify({ ...good, pools: [{ name: 'p', epoch: 'xyz', sequence: 0 }] }), '/pools/0/epoch'],
    [JSON.stringify({ ...good, pools: [{ name: 'p', epoch: '0'.repeat(16), sequence: -1 }] }), '/pools/0/sequence'],
    [JSON.stringify({ ...good, pools: [{ name: 'p', epoch: '0'.repeat(16), sequence: 0, snapshot: {} }] }), '/pools/0/snapshot/epoch'],
    [JSON.stringify({ ...good, inflight: { p: { a: 'many' } } }), '/inflight/p/a'],
  ])('garbage %s is refused with its path', async (body, path) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain(path);
  });

  test('unknown fields and pools are for others: ignored', async () => {
    const body = { ...good, later: 1, pools: [...good.pools, { name: 'other', epoch: '0'.repeat(16), sequence: 0 }] };
    const response = await post(JSON.stringify(body));
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(0);
  });

  test('a body without end', async () => {
    expect((await post('x'.repeat((1 << 20) + 1))).status).toBe(413);
  });

  test('health, readiness, metrics, unknown path', async () => {
    expect((await fetch(`${kvane.url}/healthz`)).status).toBe(200);
    expect((await fetch(`${kvane.url}/readyz`)).status).toBe(200);
    const metrics = await fetch(`${kvane.url}/metrics`);
    expect(await metrics.text()).toContain('kvane_endpoints{pool="p",ready="false"} 1');
    expect((await fetch(`${kvane.url}/`)).status).toBe(404);
    const pools = await fetch(`${kvane.url}/v1/pools`, { headers: { authorization: 'Bearer geheim' } });
    expect(await pools.json()).toMatchObject([{ name: 'p', endpoints: [{ address: '127.0.0.1:1', ready: false }] }]);
  });

  test('requests in flight are taken, and an engine that does not answer has no load', async () => {
    const { inflight } = { inflight: { p: { '127.0.0.1:1': 4 } } };
    await post(JSON.stringify({ ...good, proxy: 'a', inflight }));
    await post(JSON.stringify({ ...good, proxy: 'b', inflight }));
    expect(kvane.pools.get('p')!.load()).toEqual([]);
  });
});

async function metric(kvane: Indexer, name: string): Promise<number> {
  const text = await (await fetch(`${kvane.url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
