import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compiled, compileFilter, PROBE } from './compile';
import { type FilterModule, Host, type HostOptions, loadModule, SharedData } from './index';

let compiled: Compiled;
let probe: FilterModule;
beforeAll(async () => {
  compiled = await compileFilter(PROBE);
  probe = loadModule(compiled.path);
});
afterAll(() => compiled.remove());

const CLUSTERS = { pool: ['10.0.0.1:80', '10.0.0.2:80'], indexer: ['10.0.0.9:80'] };
const start = (options: Partial<HostOptions> = {}) =>
  Host.start({ wasm: probe, configuration: 'A tick=50', clusters: CLUSTERS, ...options });
const hold = { headers: { 'x-probe': 'hold', 'x-want': '10.0.0.2:80' } };

describe('boot', () => {
  test('a canary that never ticks, the main thread, and each worker: an own instance and an own root each', async () => {
    const host = await start({ workers: 2 });
    expect(host.logs.map(({ vm, text }) => `${vm}: ${text}`)).toEqual(
      ['canary', 'main', 'worker 0', 'worker 1'].flatMap((vm) => [`${vm}: probe: start 0`, `${vm}: probe: configure A bytes=9 root=1`]),
    );
    host.takeTrace();
    host.advance(50);
    expect(host.takeTrace().map(({ vm, name, context }) => `${vm} ${name} ${context}`)).toEqual([
      'main proxy_on_tick 1',
      'worker 0 proxy_on_tick 11',
      'worker 1 proxy_on_tick 21',
    ]);
  });

  test('a refused configuration ends the boot', async () => {
    await expect(start({ configuration: 'A refuse' })).rejects.toMatchObject({ code: 'CONFIGURATION' });
  });

  test('two plugins share the globals of each VM', async () => {
    const plugins = [
      { name: 'first', configuration: 'A' },
      { name: 'second', configuration: 'B' },
    ];
    const host = await start({ plugins });
    expect(host.logs.filter(({ vm, text }) => vm === 'worker 0' && text.includes('configure')).map(({ text }) => text)).toEqual([
      'probe: configure A bytes=1 root=1',
      'probe: configure B bytes=1 root=2',
    ]);
    expect(host.request({ plugin: 'second' }).result.upstream?.headers['x-config']).toBe('B');
  });
});

test('every host call of a request, in order', async () => {
  const host = await start();
  host.takeTrace();
  const stream = host.request({ ...hold, path: '/v1', body: 'seven b' });
  expect(stream.result).toMatchObject({ state: 'done', status: 200, from: 'upstream', upstream: { endpoint: '10.0.0.2:80', attempts: 1 } });
  expect(host.takeLines()).toEqual([
    '> proxy_on_context_create(12, 11)',
    '> proxy_on_request_headers(12, 7, 0) = 1',
    'proxy_increment_metric(4, 1) → Ok',
    'proxy_get_header_map_value(RequestHeaders, "x-probe") → Ok "hold"',
    'proxy_remove_header_map_value(RequestHeaders, "x-gateway-destination-endpoint") → Ok',
    'proxy_replace_header_map_value(RequestHeaders, "x-config", "A") → Ok',
    '> proxy_on_request_body(12, 7, 0) = 2',
    'proxy_get_buffer_status(RequestBody) → Ok 7',
    'proxy_get_buffer_bytes(RequestBody, 0, 4194304) → Ok "seven b"',
    '> proxy_on_request_body(12, 0, 1) = 0',
    'proxy_get_buffer_status(RequestBody) → Ok 0',
    'proxy_replace_header_map_value(RequestHeaders, "x-probed", "seen 7 sum 675") → Ok',
    'proxy_get_header_map_value(RequestHeaders, "x-want") → Ok "10.0.0.2:80"',
    'proxy_replace_header_map_value(RequestHeaders, "x-gateway-destination-endpoint", "10.0.0.2:80") → Ok',
    expect.stringMatching(/^> proxy_on_response_headers\(12, 2, 0\) = 0$/),
    expect.stringMatching(/^> proxy_on_response_body\(12, \d+, 0\) = 0$/),
    '> proxy_on_response_body(12, 0, 1) = 0',
    '> proxy_on_log(12)',
    '> proxy_on_done(12) = 1',
    '> proxy_on_delete(12)',
  ]);
});

describe('HTTP calls', () => {
  const asking = { headers: { 'x-probe': 'call' }, body: 'x' };
  const probed = (host: Host, stream: ReturnType<Host['request']>) => [host.calls().length, stream.result.upstream?.headers['x-probed']];

  test('the test answers them; the answer comes to the root', async () => {
    const host = await start();
    const stream = host.request(asking);
    const [call] = host.calls();
    expect([call?.cluster, call?.method, call?.path, call?.vm, stream.result.state]).toEqual([
      'indexer',
      'GET',
      '/ask',
      'worker 0',
      'held',
    ]);
    call?.respond({ status: 201, body: 'four' });
    expect(probed(host, stream)).toEqual([0, 'answer 201/4']);
  });

  test.each([
    ['refused: a local 503', (host: Host) => host.calls()[0]?.refuse(), /^answer 503\/\d+$/],
    ['no answer in time: a local 504', (host: Host) => host.advance(1000), /^answer 504\/24$/],
    ['too big or reset: no headers and no body', (host: Host) => host.calls()[0]?.fail(), /^answer none\/0$/],
  ])('%s', async (_, happen, expected) => {
    // Without a tick, which would release the stream first.
    const host = await start({ configuration: 'A' });
    const stream = host.request(asking);
    happen(host);
    expect(stream.result.upstream?.headers['x-probed']).toMatch(expected);
  });

  test('just before the timeout nothing happens', async () => {
    const host = await start({ configuration: 'A' });
    const stream = host.request(asking);
    host.advance(999);
    expect(stream.result.state).toBe('held');
  });

  test('an answer for a stream that is gone finds nobody', async () => {
    const host = await start();
    const stream = host.request(asking);
    const [call] = host.calls();
    stream.reset();
    call?.respond();
    expect(host.logs.at(-1)?.text).toBe('probe: configure A bytes=9 root=1');
  });

  test('a missing cluster is status 2 at once', async () => {
    const host = await start({ clusters: { pool: CLUSTERS.pool } });
    expect(host.request(asking).result.status).toBe(200);
    expect(host.logs.at(-1)?.text).toBe('probe: call 2');
  });
});

describe('buffer limits', () => {
  const big = { headers: { 'x-probe': 'hold' }, body: new Uint8Array(2 << 20) };

  test('status 2 stalls above the limit, one read late, and the client is not read any more', async () => {
    const host = await start();
    const stream = host.request(big);
    expect([stream.result.state, stream.request.heldBytes]).toEqual(['stalled', (1 << 20) + 16_384]);
  });

  test('the limit is soft: one byte more still ends', async () => {
    const host = await start();
    expect(host.request({ ...big, body: new Uint8Array((1 << 20) + 1) }).result.status).toBe(200);
  });

  test('HTTP/2 has a window of 16 MiB instead', async () => {
    const host = await start();
    expect(host.request({ ...big, http2: true }).result.status).toBe(200);
    expect(host.request({ ...big, http2: true, body: new Uint8Array(20 << 20) }).result.state).toBe('stalled');
  });

  test('status 1 is a 413 above it', async () => {
    const host = await start();
    expect(host.request({ ...big, headers: { 'x-probe': 'buffer' } }).result).toMatchObject({ status: 413, from: 'proxy' });
  });
});

describe('configuration update', () => {
  test('a second root in the same VMs; the old one ticks and serves its streams until it has drained', async () => {
    const host = await start({ drainMs: 1000 });
    const old = host.request({ ...hold, method: 'POST' }).body('abc');
    expect(host.update('N tick=50')).toBe(true);
    host.takeTrace();
    host.advance(50);
    expect(host.takeTrace().filter(({ name }) => name === 'proxy_on_tick')).toHaveLength(4);
    expect(host.request(hold).result.upstream?.headers['x-config']).toBe('N');
    old.body('def', true);
    expect(old.result.upstream?.headers['x-config']).toBe('A');
    host.advance(1000);
    expect(host.logs.filter(({ text }) => text.startsWith('probe: root')).map(({ vm, text }) => `${vm} ${text}`)).toEqual([
      'main probe: root done A',
      'main probe: root delete A ticked=true',
      'worker 0 probe: root done A',
      'worker 0 probe: root delete A ticked=true',
    ]);
    host.takeTrace();
    host.advance(50);
    expect(host.takeTrace().filter(({ name }) => name === 'proxy_on_tick')).toHaveLength(2);
  });

  test('a stream that is still open when the drain ends is cut', async () => {
    const host = await start({ drainMs: 1000 });
    const stream = host.request({ ...hold, method: 'POST' }).body('abc');
    host.update('N');
    host.advance(1000);
    expect(stream.result.state).toBe('reset');
  });

  test('refused: nothing changes', async () => {
    const host = await start();
    expect(host.update('X refuse')).toBe(false);
    expect(host.request(hold).result.upstream?.headers['x-config']).toBe('A');
  });
});

describe('traps', () => {
  const trap = { headers: { 'x-probe': 'trap' } };

  test('the request gets 503, others of the VM with their next event, other workers nothing; back-off, then a new VM', async () => {
    const host = await start({ workers: 2, allowTraps: true });
    const slow = host.request({ ...hold, method: 'POST', worker: 0 }).body('abc');
    const elsewhere = host.request({ ...hold, method: 'POST', worker: 1 }).body('abc');
    expect(host.request({ ...trap, worker: 0 }).result.status).toBe(503);
    expect(slow.result.state).toBe('held');
    slow.body('d');
    expect(slow.result.status).toBe(503);
    elsewhere.body('', true);
    expect(elsewhere.result.status).toBe(200);
    host.advance(999);
    expect(host.request({ ...hold, worker: 0 }).result.status).toBe(503);
    host.advance(1);
    expect(host.request({ ...hold, worker: 0 }).result.status).toBe(200);
  });

  test('a running answer is cut with its next event', async () => {
    const host = await start({ allowTraps: true, upstream: () => 'hold' });
    const stream = host.request(hold).respond({ body: 'data: 1', end: false });
    host.request(trap);
    expect(stream.result).toMatchObject({ state: 'open', status: 200 });
    stream.event('data: 2');
    expect(stream.result).toMatchObject({ state: 'reset', status: 200 });
  });

  test('an unexpected trap fails the test', async () => {
    const host = await start();
    expect(() => host.request(trap)).toThrow('worker 0 trapped in proxy_on_request_headers');
  });
});

describe('upstreams', () => {
  test('a dead endpoint is tried once, then the next of the list', async () => {
    const host = await start();
    host.unreachable.add('10.0.0.2:80');
    const stream = host.request({ headers: { 'x-probe': 'hold', 'x-want': '10.0.0.2:80,10.0.0.1:80' } });
    expect(stream.result).toMatchObject({ status: 200, upstream: { endpoint: '10.0.0.1:80', attempts: 2 } });
  });

  test('all dead: 503 with flag UF and the last address', async () => {
    const host = await start();
    for (const endpoint of CLUSTERS.pool) host.unreachable.add(endpoint);
    const stream = host.request(hold);
    expect([stream.result.status, stream.responseFlags, CLUSTERS.pool.includes(stream.upstreamAddress ?? '')]).toEqual([503, 32, true]);
  });

  test('a held answer goes on event by event', async () => {
    const host = await start({ upstream: () => 'hold' });
    const stream = host.request(hold).respond({ headers: { 'content-type': 'text/event-stream' }, end: false });
    stream.event('data: 1\n\n').event('data: 2\n\n');
    expect(stream.result.state).toBe('open');
    expect(stream.endResponse().result.state).toBe('done');
    expect(stream.text).toBe('data: 1\n\ndata: 2\n\n');
  });
});

test('shared data outlives a host that is replaced, as it outlives new code', async () => {
  const sharedData = new SharedData();
  const share = { headers: { 'x-probe': 'share' } };
  expect((await start({ sharedData })).request(share).result.upstream?.headers['x-probed']).toBe('1 0 0 0');
  expect((await start({ sharedData })).request(share).result.upstream?.headers['x-probed']).toBe('0 2 0 8');
});
