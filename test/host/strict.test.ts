import { describe, expect, test } from 'vitest';
import { assemble, declare } from './assembly';
import { Host } from './index';

// What a real host forbids, ignores or dies of fails the test in strict mode.

const HOST = declare({
  proxy_log: 3,
  proxy_get_buffer_bytes: 5,
  proxy_replace_header_map_value: 5,
  proxy_set_effective_context: 1,
  proxy_set_tick_period_milliseconds: 1,
  proxy_set_shared_data: 5,
  proxy_record_metric: 2,
  proxy_http_call: 10,
  proxy_done: 0,
  proxy_continue_stream: 1,
}).replace('proxy_record_metric(p0: i32, p1: i32)', 'proxy_record_metric(p0: i32, p1: i64)');

const start = async (source: string) => Host.start({ wasm: await assemble(HOST + source) });
const body = (statement: string, answer = '0') =>
  `export function proxy_on_request_body(id: i32, bytes: i32, end: i32): i32 { ${statement}; return ${answer}; }`;

describe('violations', () => {
  test('top-level code may log, and nothing else', async () => {
    await expect(start('proxy_log(2, 0, 0);')).resolves.toBeInstanceOf(Host);
    await expect(start('proxy_set_shared_data(0, 0, 0, 0, 0);')).rejects.toThrow();
  });

  test('no host calls while the host asks for memory', async () => {
    const wasm = await assemble(
      `${HOST}
      export function proxy_abi_version_0_2_1(): void {}
      export function proxy_on_memory_allocate(size: usize): usize { proxy_done(); return heap.alloc(size); }
      ${body('proxy_get_buffer_bytes(0, 0, bytes, 0, 4)')}`,
      { complete: false },
    );
    const host = await Host.start({ wasm });
    expect(() => host.request({ body: 'x' })).toThrow('proxy_done is not allowed inside of proxy_on_memory_allocate');
  });

  test('a body that is read outside of its callback: Envoy would crash', async () => {
    const tick =
      'export function proxy_on_tick(root: i32): void { proxy_set_effective_context(12); proxy_get_buffer_bytes(0, 0, 10, 0, 4); }';
    const configure = 'export function proxy_on_configure(root: i32, n: i32): i32 { proxy_set_tick_period_milliseconds(10); return 1; }';
    const host = await start(tick + configure + body('', '2'));
    host.request({ method: 'POST' }).body('abc');
    expect(() => host.advance(10)).toThrow('a body read outside of its callback: Envoy crashes');
  });

  test('a header that is written after the headers went on', async () => {
    const host = await start(body('proxy_replace_header_map_value(0, 0, 0, 0, 0)'));
    expect(() => host.request({ body: 'x' })).toThrow('RequestHeaders of context 12: they went on already');
  });

  test('a body that is stopped after a part of it went on', async () => {
    const host = await start(`let calls = 0; ${body('calls++', 'calls == 1 ? 0 : 2')}`);
    expect(() => host.request({ body: 'x'.repeat(40_000) })).toThrow('the upstream gets bytes twice');
  });

  test('status 1 that is released from a tick in mid-body', async () => {
    const tick = 'export function proxy_on_tick(root: i32): void { proxy_set_effective_context(12); proxy_continue_stream(0); }';
    const configure = 'export function proxy_on_configure(root: i32, n: i32): i32 { proxy_set_tick_period_milliseconds(10); return 1; }';
    const host = await start(tick + configure + body('', '1'));
    host.request({ method: 'POST' }).body('abc');
    expect(() => host.advance(10)).toThrow('loses body bytes');
  });

  test.each([
    ['a context that does not exist', 'proxy_set_effective_context(999)', 'there is no context 999'],
    ['a metric that was never defined', 'proxy_record_metric(4, 1)', 'there is no metric 4'],
    ['an address outside of the memory', 'proxy_log(2, 0x7fffffff, 10)', 'proxy_log got an address outside of the memory'],
    [
      'an HTTP call without its headers',
      'store<u32>(64, 0x6c6f6f70); proxy_http_call(64, 4, 0, 0, 0, 0, 0, 0, 1, 128)',
      'an HTTP call without :method, :path, :authority',
    ],
    ['done for a context that is not waiting', 'proxy_done()', 'proxy_done for a context that is not waiting for it'],
  ])('%s', async (_, statement, message) => {
    const host = await start(body(statement));
    expect(() => host.request({ body: 'x' })).toThrow(message);
  });

  test('not strict: the module sees a status, the test a list', async () => {
    const host = await Host.start({ wasm: await assemble(HOST + body('proxy_set_effective_context(999)')), strict: false });
    expect(host.request({ body: 'x' }).result.status).toBe(200);
    expect(host.violations[0]).toBe('there is no context 999');
  });
});

test('a root that is not done waits for proxy_done, and ticks on', async () => {
  const host = await Host.start({
    wasm: await assemble(`${HOST}
      export function proxy_on_configure(root: i32, n: i32): i32 { proxy_set_tick_period_milliseconds(10); return 1; }
      let waiting = 0;
      export function proxy_on_done(id: i32): i32 { waiting = 3; return 0; }
      export function proxy_on_tick(root: i32): void { if (waiting && --waiting == 0) proxy_done(); }
      export function proxy_on_delete(id: i32): void {}`),
    configuration: 'old',
    drainMs: 5,
  });
  host.update('new');
  host.takeTrace();
  host.advance(100);
  const names = host
    .takeTrace()
    .filter(({ vm, name }) => vm === 'main' && /done|delete/.test(name))
    .map(({ name }) => name);
  expect(names).toEqual(['proxy_on_done', 'proxy_done', 'proxy_on_delete']);
});
