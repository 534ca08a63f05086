// The whole way on a real Envoy: engines that store, events, indexer, one poll, two workers, the destination header.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Indexer } from '../../indexer/indexer';
import type { Engine } from '../engine/engine';
import { type ClientResponse, send } from '../envoy/client';
import { type Envoy, startEnvoy } from '../envoy/process';
import { type FleetPool, fleetBootstrap, MODEL, startEngines, startFleetIndexer, until } from './fleet';

const TRIES = 12;

let engines: Engine[];
let others: Engine[];
/** In the indexer's pool, but not in Envoy's cluster. */
let stranger: Engine;
let pools: FleetPool[];
let indexer: Indexer;

beforeAll(async () => {
  const blocks = { blocks: 512 };
  engines = await startEngines(3, blocks);
  others = await startEngines(2, { ...blocks, prefix: 'other' });
  [stranger] = (await startEngines(1, { ...blocks, prefix: 'stranger' })) as [Engine];
  pools = [
    { name: 'qwen', cluster: 'qwen', engines: [...engines, stranger] },
    { name: 'other', cluster: 'other', engines: others },
  ];
  indexer = await startFleetIndexer(pools, { scrape: { busyMs: 100, idleMs: 300, failures: 1 } });
});
afterAll(async () => {
  await indexer?.stop();
  await Promise.all([...engines, ...others, stranger].map((engine) => engine?.stop()));
});

const json = (value: object): Uint8Array => Buffer.from(JSON.stringify({ model: MODEL, ...value }));
const promptOf = (name: string): string => `${name}. ${'The quick brown fox jumps over the lazy dog. '.repeat(20)}`;
const engineOf = ({ headers }: ClientResponse): string | undefined => headers['x-engine'];

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  let envoy: Envoy;
  let main: string;
  let other: string;
  beforeAll(async () => {
    const addresses = (of: readonly Engine[]): string[] => of.map(({ address }) => address);
    const config = fleetBootstrap({
      pools,
      endpoints: { qwen: addresses(engines), other: addresses(others) },
      indexer: indexer.url.replace('http://', ''),
      options: { strip: false },
    });
    envoy = await startEnvoy({ version, config, concurrency: 2 });
    [main, other] = [await envoy.address(), await envoy.address('other')];
    await until(async () => (await envoy.stats(/snapshots_applied/))['wasmcustom.kvane.snapshots_applied_pool=other']! >= 3, 'summaries');
  });
  afterAll(() => envoy?.stop());

  const complete = (address: string, prompt: string, headers: Record<string, string> = {}) =>
    send(address, { path: '/v1/completions', body: json({ prompt, max_tokens: 2 }), headers });

  /** Where such a request would go: the engine refuses it before it touches its cache. */
  const probe = async (address: string, prompt: string): Promise<string | undefined> =>
    engineOf(await send(address, { path: '/v1/completions', body: json({ prompt, max_tokens: 0 }) }));

  /** Every connection lands on one of the workers; all of them must say the same. */
  const allGoTo = async (address: string, prompt: string): Promise<string | undefined> => {
    let seen = new Set<string | undefined>();
    await until(async () => {
      seen = new Set(await Promise.all(Array.from({ length: TRIES }, () => probe(address, prompt))));
      return seen.size === 1;
    }, 'both workers know where the prompt is');
    return [...seen][0];
  };

  test('the second request of a prompt goes to the pod that holds it, from both workers', async () => {
    for (const name of ['one', 'two', 'three']) {
      const prompt = promptOf(`${version} ${name}`);
      const first = await complete(main, prompt);
      expect(first.status).toBe(200);
      expect(await allGoTo(main, prompt)).toBe(engineOf(first));
      const second = await complete(main, prompt);
      expect(engineOf(second)).toBe(engineOf(first));
      expect(JSON.parse(second.body.toString()).usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(150);
    }
  });

  test('a chat goes on where it began', async () => {
    const messages = [{ role: 'system', content: promptOf(`${version} chat`) }];
    let engine: string | undefined;
    for (const turn of [1, 2, 3]) {
      messages.push({ role: 'user', content: `Question number ${turn}, what now?` });
      const body = json({ messages, max_tokens: 20 });
      const answer = await send(main, { path: '/v1/chat/completions', body });
      expect(answer.status).toBe(200);
      if (turn > 1) expect(engineOf(answer)).toBe(engine);
      engine = engineOf(answer);
      const { choices } = JSON.parse(answer.body.toString());
      messages.push({ role: 'assistant', content: choices[0].message.content });
      const next = json({ messages: [...messages, { role: 'user', content: 'x' }], max_tokens: 0 });
      await until(async () => {
        const answers = await Promise.all(Array.from({ length: TRIES }, () => send(main, { path: '/v1/chat/completions', body: next })));
        return answers.every((one) => engineOf(one) === engine);
      }, 'both workers know where the chat is');
    }
  });

  test('several pools at once: each is answered by its own engines, and knows only its own prompts', async () => {
    const prompt = promptOf(`${version} pools`);
    const [here, there] = [engineOf(await complete(main, prompt)), engineOf(await complete(other, prompt))];
    expect(here).toMatch(/^engine-/);
    expect(there).toMatch(/^other-/);
    expect([await allGoTo(main, prompt), await allGoTo(other, prompt)]).toEqual([here, there]);
  });

  test('a forged destination moves nothing, whether the request is routed or not', async () => {
    const prompt = promptOf(`${version} forged`);
    const holder = engineOf(await complete(main, prompt));
    await allGoTo(main, prompt);
    const victim = engines.find(({ name }) => name !== holder)!;
    const forged = { 'x-gateway-destination-endpoint': victim.address };
    for (let i = 0; i < 4; i++) expect(engineOf(await complete(main, prompt, forged))).toBe(holder);
    const unrouted = await Promise.all(Array.from({ length: TRIES }, () => send(main, { path: '/v1/models', headers: forged })));
    expect(new Set(unrouted.map(engineOf)).size).toBeGreaterThan(1);
  });

  test('the holder is unknown to Envoy: others serve', async () => {
    const prompt = promptOf(`${version} stranger`);
    const before = (await envoy.stats(/credited/))['wasmcustom.kvane.credited_pool=qwen']!;
    await send(stranger.address, { path: '/v1/completions', body: json({ prompt, max_tokens: 2 }) });
    await until(async () => {
      expect(await probe(main, prompt)).toMatch(/^engine-/);
      return (await envoy.stats(/credited/))['wasmcustom.kvane.credited_pool=qwen']! > before;
    }, 'the filter wants the stranger');
    for (let i = 0; i < TRIES; i++) expect((await complete(main, prompt)).status).toBe(200);
  });

  test('the holder dies: the second entry serves, it is withdrawn, and it comes back empty', async () => {
    const prompt = promptOf(`${version} death`);
    const holder = engines.find(({ name }) => name === 'engine-1')!;
    await send(holder.address, { path: '/v1/completions', body: json({ prompt, max_tokens: 2 }) });
    expect(await allGoTo(main, prompt)).toBe(holder.name);
    await holder.stop();
    const answers = await Promise.all(Array.from({ length: TRIES }, () => complete(main, prompt)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.map(engineOf)).not.toContain(holder.name);
    await until(() => indexer.status()[0]!.endpoints[1]!.ready === false, 'the dead engine is withdrawn');
    await holder.restart();
    const back = () => indexer.status()[0]!.endpoints[1]!;
    await until(() => back().ready && back().residentBlocks === 0, 'the engine is back, and its blocks are forgotten');
    expect((await complete(main, prompt)).status).toBe(200);
  });

  test('no request of this file failed inside the filter', async () => {
    const stats = await envoy.stats(/wasm|listener\..*5xx/);
    expect(stats['wasm.kvane.vm_reload'] ?? 0).toBe(0);
    expect(stats['wasmcustom.kvane.summaries_discarded_pool=qwen']).toBe(0);
    expect(stats['wasmcustom.kvane.messages_refused']).toBe(0);
  });
});
