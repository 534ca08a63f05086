import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test } from 'vitest';
import { readText } from '../fixtures/recording.js';
import { Engine, type EngineOptions } from './engine.js';
import type { Json } from './prepare.js';

const engines: Engine[] = [];
async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start(options);
  engines.push(engine);
  return engine;
}
const stopAll = async (): Promise<void> => {
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
};
afterEach(stopAll);
afterAll(stopAll);

async function post(
  engine: Engine,
  path: string,
  body: Json,
  signal?: AbortSignal,
): Promise<{ status: number; headers: Headers; json: Json; text: string }> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(engine.url + path, { method: 'POST', headers, body: JSON.stringify(body), ...(signal && { signal }) });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : undefined,
  };
}

const chunksOf = (text: string): Json[] =>
  text.split('\n\n').flatMap((event) => (event.startsWith('data: {') ? [JSON.parse(event.slice(6))] : []));
const metric = async (engine: Engine, name: string): Promise<number> => {
  const text = await (await fetch(`${engine.url}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))!
      .split(' ')
      .at(-1),
  );
};
const messages = [
  { role: 'system', content: 'You are a lighthouse keeper. '.repeat(20) },
  { role: 'user', content: 'Which ships came by today?' },
];

test('the second request of a prompt reads all but its tail from the cache', async () => {
  const engine = await start({ name: 'pod-a' });
  const first = await post(engine, '/v1/chat/completions', { model: 'tiny-qwen3', messages, max_tokens: 4 });
  const second = await post(engine, '/v1/chat/completions', { model: 'tiny-qwen3', messages, max_tokens: 4 });
  const { prompt_tokens } = first.json.usage;
  expect(first.headers.get('x-engine')).toBe('pod-a');
  expect(first.json.usage.prompt_tokens_details).toEqual({
    cached_tokens: 0,
    created_cache_tokens: prompt_tokens - (prompt_tokens % 16),
    multimodal_tokens: null,
  });
  const hits = prompt_tokens - 1 - ((prompt_tokens - 1) % 16);
  expect(second.json.usage.prompt_tokens_details.cached_tokens).toBe(hits);
  expect(engine.stats()).toMatchObject({ queries: 2 * prompt_tokens, hits, finished: 2, requests: 2 });
});

test('0.23 says null, or nothing in a stream, where nothing was cached', async () => {
  const engine = await start({ version: '0.23' });
  const plain = await post(engine, '/v1/chat/completions', { messages, max_tokens: 2 });
  expect(plain.json.usage.prompt_tokens_details).toBeNull();
  const stream = { stream: true, stream_options: { include_usage: true } };
  const other = await post(engine, '/v1/completions', { prompt: 'a new prompt', max_tokens: 2, ...stream });
  expect('prompt_tokens_details' in chunksOf(other.text).at(-1).usage).toBe(false);
  const again = await post(engine, '/v1/chat/completions', { messages, max_tokens: 2, ...stream });
  expect(chunksOf(again.text).at(-1).usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(100);
});

test('a stream says the same as an answer in one piece, and its usage only when asked', async () => {
  const engine = await start();
  const body = { messages, max_tokens: 12, return_token_ids: true };
  const whole = await post(engine, '/v1/chat/completions', body);
  const stream = await post(engine, '/v1/chat/completions', { ...body, stream: true });
  const chunks = chunksOf(stream.text);
  expect(chunks.map((chunk) => chunk.choices[0].delta.content).join('')).toBe(whole.json.choices[0].message.content);
  expect(chunks.flatMap((chunk) => chunk.choices[0].token_ids ?? [])).toEqual(whole.json.choices[0].token_ids);
  expect(chunks[0].prompt_token_ids).toEqual(whole.json.prompt_token_ids);
  expect(stream.text).not.toContain('"usage"');
  expect(stream.text.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('an answer sent back as history is a hit, for its text tokenises to the ids that were sampled', async () => {
  const engine = await start();
  const first = await post(engine, '/v1/chat/completions', { messages, max_tokens: 70 });
  const history = [...messages, first.json.choices[0].message, { role: 'user', content: 'And tomorrow?' }];
  const second = await post(engine, '/v1/chat/completions', { messages: history, max_tokens: 2 });
  const known = first.json.usage.total_tokens - 1;
  expect(second.json.usage.prompt_tokens_details.cached_tokens).toBe(known - (known % 16));
});

test('without a limit the answer ends by itself, with the end-of-turn token', async () => {
  const engine = await start({ answerTokens: 9 });
  const { json } = await post(engine, '/v1/chat/completions', { messages, return_token_ids: true });
  expect(json.choices[0].finish_reason).toBe('stop');
  expect(json.choices[0].token_ids.at(-1)).toBe(151645);
  expect(json.usage.completion_tokens).toBe(9);
  expect(json.choices[0].message.content).not.toContain('<|im_end|>');
});

test('forced ids come out as they are, also where a token splits a character', async () => {
  const engine = await start();
  const forced_ids = [145233, 378, 235, 145665];
  const body = { messages, max_tokens: 4, ignore_eos: true, vllm_xargs: { forced_ids }, return_token_ids: true };
  const whole = await post(engine, '/v1/chat/completions', body);
  expect(whole.json.choices[0].token_ids).toEqual(forced_ids);
  const stream = await post(engine, '/v1/chat/completions', { ...body, stream: true });
  expect(
    chunksOf(stream.text)
      .map((chunk) => chunk.choices[0].delta.content)
      .join(''),
  ).toBe(whole.json.choices[0].message.content);
});

test('namespaces: salts and adapters never share blocks', async () => {
  const engine = await start({ loras: ['ad-one'] });
  const cached = async (more: Json): Promise<number> =>
    (await post(engine, '/v1/chat/completions', { messages, max_tokens: 1, ...more })).json.usage.prompt_tokens_details.cached_tokens;
  expect(await cached({})).toBe(0);
  expect(await cached({ cache_salt: 'a' })).toBe(0);
  expect(await cached({ cache_salt: 'b' })).toBe(0);
  expect(await cached({ model: 'ad-one' })).toBe(0);
  expect(await cached({ model: 'ad-one', cache_salt: 'a' })).toBe(0);
  expect(await cached({ cache_salt: 'a' })).toBeGreaterThan(100);
  expect(await cached({ model: 'ad-one' })).toBeGreaterThan(100);
});

test('more sequences than may run wait, and the metrics show it', async () => {
  const engine = await start({ maxSequences: 2, timing: { decodeMsPerToken: 20 } });
  const request = (i: number) => post(engine, '/v1/completions', { prompt: `prompt ${i}`, max_tokens: 3000, ignore_eos: true });
  const cut = Array.from({ length: 5 }, (_, i) => expect(request(i)).rejects.toThrow());
  while (engine.stats().running + engine.stats().waiting < 5) await new Promise(setImmediate);
  expect(await metric(engine, 'vllm:num_requests_running')).toBe(2);
  expect(await metric(engine, 'vllm:num_requests_waiting')).toBe(3);
  expect(await metric(engine, 'vllm:kv_cache_usage_perc')).toBeGreaterThan(0);
  await stopAll();
  await Promise.all(cut);
});

test('the metrics of the recordings are all there, under the same names and labels', async () => {
  for (const version of ['0.23', '0.32'] as const) {
    const engine = await start({ version });
    const seriesOf = (text: string): Set<string> =>
      new Set(
        text
          .split('\n')
          .flatMap((line) =>
            line === '' || line.startsWith('#') ? [] : [line.replace(/ \S+$/, '').replace(/^(vllm:cache_config_info).*/, '$1')],
          ),
      );
    const recorded = seriesOf(
      readText(fileURLToPath(new URL(`../fixtures/vllm-${version}.0`, import.meta.url)), 'metrics-under-load.prom')!,
    );
    const ours = seriesOf(await (await fetch(`${engine.url}/metrics`)).text());
    expect([...recorded].filter((name) => !ours.has(name) && !name.includes('_created'))).toEqual([]);
  }
});

test('a client that goes away frees its blocks', async () => {
  const engine = await start({ timing: { decodeMsPerToken: 5 } });
  const abort = new AbortController();
  const lost = post(engine, '/v1/completions', { prompt: 'x', max_tokens: 2000, ignore_eos: true }, abort.signal);
  while (engine.stats().running < 1) await new Promise(setImmediate);
  abort.abort();
  await expect(lost).rejects.toThrow();
  while (engine.stats().running > 0) await new Promise(setImmediate);
  expect(engine.stats()).toMatchObject({ aborted: 1, usedBlocks: 0 });
});

test('render: free on 0.23, behind a flag on 0.32; the ids are those of the request', async () => {
  const [old, scaled, plain] = await Promise.all([start({ version: '0.23' }), start(), start({ render: false })]);
  const rendered = await post(old, '/v1/chat/completions/render', { messages });
  const answered = await post(old, '/v1/chat/completions', { messages, max_tokens: 1, return_token_ids: true });
  expect(rendered.json.token_ids).toEqual(answered.json.prompt_token_ids);
  expect((await post(scaled, '/v1/completions/render', { prompt: ['a', 'b'] })).json.length).toBe(2);
  const refused = await post(plain, '/v1/chat/completions/render', { messages });
  expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('--enable-scale-out')]);
});

test('kv_event_sources names the real ports on 0.32 and does not exist on 0.23', async () => {
  const [old, now] = await Promise.all([start({ version: '0.23' }), start()]);
  expect((await fetch(`${old.url}/kv_event_sources`)).status).toBe(404);
  const sources = await (await fetch(`${now.url}/kv_event_sources`)).json();
  expect(sources).toMatchObject({ 0: { endpoint: now.eventsEndpoint!.replace('127.0.0.1', '*'), topic: now.topic } });
});

test.each([
  ['a model that is not there', '/v1/chat/completions', { model: 'other', messages }, 404],
  ['a lone surrogate', '/v1/chat/completions', { messages: [{ role: 'user', content: 'a\ud800' }] }, 400],
  ['an empty list of tools', '/v1/chat/completions', { messages, tools: [] }, 400],
  ['parts that are strings', '/v1/chat/completions', { messages: [{ role: 'user', content: ['a'] }] }, 400],
  ['a prompt that is too long', '/v1/completions', { prompt: 'word '.repeat(5000) }, 400],
  ['ids out of the vocabulary', '/v1/completions', { prompt: [1e6] }, 400],
  ['an unknown path', '/v1/nothing', {}, 404],
])('%s is refused', async (_, path, body, status) => {
  const engine = await start({ blocks: 200 });
  expect((await post(engine, path, body)).status).toBe(status);
});

test('a stopped engine refuses connections until it is started again, and may be stopped twice', async () => {
  const engine = await start();
  const { url } = engine;
  await engine.stop();
  await expect(fetch(`${url}/health`)).rejects.toThrow();
  await engine.stop();
  await engine.restart();
  expect(engine.url).toBe(url);
  expect((await fetch(`${url}/health`)).status).toBe(200);
});

test('a restart loses the cache and nothing else: same ports, new start time, empty counters', async () => {
  const engine = await start();
  await post(engine, '/v1/chat/completions', { messages, max_tokens: 1 });
  const before = [engine.url, engine.eventsEndpoint, engine.replayEndpoint];
  const startedBefore = await metric(engine, 'process_start_time_seconds');
  await engine.restart();
  expect([engine.url, engine.eventsEndpoint, engine.replayEndpoint]).toEqual(before);
  const again = await post(engine, '/v1/chat/completions', { messages, max_tokens: 1 });
  expect(again.json.usage.prompt_tokens_details.cached_tokens).toBe(0);
  expect(await metric(engine, 'process_start_time_seconds')).toBeGreaterThan(startedBefore);
});
