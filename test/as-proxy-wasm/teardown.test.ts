import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Compiled, compileFilter, PROBE } from '../host/compile';
import { Host } from '../host/index';
import { Bare } from './bare';

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compileFilter(PROBE);
});
afterAll(() => compiled.remove());

test('a deleted root: late ticks, answers and callbacks of its streams find nobody and do no harm', () => {
  const logs: string[] = [];
  const bare = new Bare(compiled.path, (self) => ({
    proxy_log: (_, ptr, length) => {
      logs.push(Buffer.from(self.bytes(ptr!, length!)).toString());
      return 0;
    },
  }));
  bare.call.proxy_on_context_create!(1, 0);
  bare.call.proxy_on_context_create!(2, 1);
  expect(bare.call.proxy_on_done!(1)).toBe(1);
  bare.call.proxy_on_delete!(2);
  bare.call.proxy_on_delete!(1);
  expect(logs).toEqual(['probe: root done ', 'probe: root delete  ticked=false']);
  logs.length = 0;
  bare.call.proxy_on_tick!(1);
  bare.call.proxy_on_http_call_response!(1, 7, 1, 0, 0);
  bare.call.proxy_on_context_create!(3, 1);
  for (const id of [1, 2, 3]) {
    expect(bare.call.proxy_on_request_headers!(id, 0, 0)).toBe(0);
    expect(bare.call.proxy_on_request_body!(id, 0, 1)).toBe(0);
    expect(bare.call.proxy_on_request_trailers!(id, 0)).toBe(0);
    expect(bare.call.proxy_on_response_headers!(id, 0, 0)).toBe(0);
    expect(bare.call.proxy_on_done!(id)).toBe(1);
    bare.call.proxy_on_log!(id);
    bare.call.proxy_on_delete!(id);
  }
  expect(logs).toEqual([]);
});

test('an open call of a replaced root is answered to it while it drains, and cancelled afterwards', async () => {
  const host = await Host.start({
    wasm: compiled.path,
    configuration: 'A',
    drainMs: 500,
    clusters: { pool: ['10.0.0.1:80'], indexer: ['10.0.0.9:80'] },
  });
  const asking = { headers: { 'x-probe': 'call' }, body: 'x' };
  const [first, second] = [host.request(asking), host.request(asking)];
  host.update('N');
  host.calls()[0]?.respond({ body: 'pong' });
  expect(first.result.upstream?.headers['x-probed']).toBe('answer 200/4');
  const [late] = host.calls();
  host.advance(500);
  expect([second.result.state, host.calls().length]).toEqual(['reset', 0]);
  host.takeTrace();
  late?.respond();
  expect(host.takeLines()).toEqual([]);
});
