import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { EngineRenderer, fetchModels } from '../../../indexer/engines/api.js';
import { EngineWatch } from '../../../indexer/engines/watch.js';
import type { TokenTable } from '../../../indexer/tokens/table.js';
import { eventually } from '../poller.js';

const running: { stop(): void }[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

type Answer = { status?: number; body: string } | 'hang' | 'cut';

/** An engine that says what it is told to say, by path. */
async function fake(
  answers: Record<string, Answer>,
): Promise<{ url: string; asked: Record<string, number>; answers: Record<string, Answer> }> {
  const asked: Record<string, number> = {};
  const server: Server = createServer((request, response) => {
    const path = request.url ?? '';
    asked[path] = (asked[path] ?? 0) + 1;
    const answer = answers[path] ?? { status: 404, body: '' };
    if (answer === 'cut') request.socket.destroy();
    else if (answer !== 'hang') response.writeHead(answer.status ?? 200).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  running.push({ stop });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, answers };
}

const page = (running: number, start = 1) => ({
  body: `vllm:num_requests_running{engine="0"} ${running}\nvllm:num_requests_waiting{engine="0"} 0\nprocess_start_time_seconds ${start}\n`,
});

function watch(url: string, timings = {}) {
  const seen: string[] = [];
  const one = new EngineWatch(
    url,
    { busyMs: 10, idleMs: 20, timeoutMs: 100, failures: 3, ...timings },
    {
      ranks: [0],
      load: (_, { running }) => void seen.push(`load ${running}`),
      ready: (ready) => void seen.push(ready ? 'ready' : 'gone'),
      restarted: () => void seen.push('restarted'),
      models: ({ bases, adapters }) => void seen.push(`models ${bases} + ${adapters}`),
    },
  );
  running.push(one);
  one.start();
  return { seen, one };
}

test.each<[string, Answer]>([
  ['error status', { status: 503, body: '' }],
  ['no metrics', { body: '<html>' }],
  ['no answer', 'hang'],
  ['cut connection', 'cut'],
])('withdrawn after several failures, not after one: %s', async (_, failure) => {
  const engine = await fake({ '/metrics': page(1) });
  const { seen } = watch(engine.url);
  await eventually(() => seen.includes('ready'), 'ready');
  const before = engine.asked['/metrics']!;
  engine.answers['/metrics'] = failure;
  await eventually(() => seen.includes('gone'), 'gone');
  expect(engine.asked['/metrics']! - before).toBeGreaterThanOrEqual(3);
  engine.answers['/metrics'] = page(2);
  await eventually(() => seen.at(-1) === 'load 2', 'back');
  expect(seen.filter((event) => event === 'ready')).toHaveLength(2);
});

test('another process at the same address', async () => {
  const engine = await fake({ '/metrics': page(0, 100) });
  const { seen } = watch(engine.url);
  await eventually(() => seen.includes('load 0'), 'loaded');
  engine.answers['/metrics'] = page(0, 200);
  await eventually(() => seen.includes('restarted'), 'restarted');
  await eventually(() => engine.asked['/metrics']! > 10, 'more scrapes');
  expect(seen.filter((event) => event === 'restarted')).toHaveLength(1);
});

test('idle engines are left alone until something happens', async () => {
  const engine = await fake({ '/metrics': page(0) });
  const { seen, one } = watch(engine.url, { idleMs: 60_000 });
  await eventually(() => seen.includes('load 0'), 'loaded');
  expect(engine.asked['/metrics']).toBe(1);
  one.touch();
  await eventually(() => engine.asked['/metrics']! >= 3, 'scraped often');
});

test('models: aliases and adapters', async () => {
  const data = [{ id: 'base', parent: null }, { id: 'alias' }, { id: 'lora', parent: 'base' }, { id: 7 }];
  const engine = await fake({ '/metrics': page(0), '/v1/models': { body: JSON.stringify({ data }) } });
  expect(await fetchModels(engine.url, 1_000)).toEqual({ bases: ['base', 'alias'], adapters: ['lora'] });
  const { seen } = watch(engine.url);
  await eventually(() => seen.includes('models base,alias + lora'), 'told');
});

const table: TokenTable = {
  size: 2,
  bytes: Buffer.from('ab'),
  offsets: Uint32Array.of(0, 1, 2),
  unknown: new Set(),
  nfc: false,
  completionPrefix: new Uint8Array(),
};

test.each<[Answer, string]>([
  [{ status: 403, body: '' }, 'render.disabled'],
  [{ status: 404, body: '' }, 'render.disabled'],
  [{ status: 400, body: '' }, 'render.refused'],
  [{ status: 500, body: '' }, 'engine.status'],
  [{ body: 'x' }, 'engine.answer'],
  [{ body: '{}' }, 'engine.answer'],
  [{ body: '{"token_ids":[5]}' }, 'engine.answer'],
  ['cut', 'engine.unreachable'],
  ['hang', 'engine.unreachable'],
])('render: %j is %s', async (answer, code) => {
  const engine = await fake({ '/v1/chat/completions/render': answer });
  const renderer = new EngineRenderer(engine.url, 'm', table, 100);
  await expect(renderer.render({ messages: [] })).rejects.toMatchObject({ code });
});

test('render: ids become bytes; completions answer a list', async () => {
  const engine = await fake({
    '/v1/chat/completions/render': { body: '{"token_ids":[0,1,0]}' },
    '/v1/completions/render': { body: '[{"token_ids":[1]}]' },
  });
  const renderer = new EngineRenderer(engine.url, 'm', table);
  expect(Buffer.from(await renderer.render({ messages: [] })).toString()).toBe('aba');
  expect(Buffer.from(await renderer.renderCompletion('b')).toString()).toBe('b');
});
