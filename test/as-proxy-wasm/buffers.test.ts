import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Compiled, compileFilter, PROBE } from '../host/compile';
import { Host } from '../host/index';

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compileFilter(PROBE);
});
afterAll(() => compiled.remove());

test('a body is not asked for outside of its callback: the strict host, like Envoy, would not survive it', async () => {
  const host = await Host.start({ wasm: compiled.path, configuration: 'A tick=50' });
  const stream = host.request({ headers: { 'x-probe': 'watchdog reread' }, body: 'abc' });
  host.takeTrace();
  host.advance(50);
  expect(stream.result.upstream?.headers['x-probed']).toBe('tick');
  expect(host.takeLines().filter((line) => line.startsWith('proxy_get_buffer'))).toEqual([]);
  expect(host.logs.some(({ text }) => text === 'probe: reread 1 0')).toBe(true);
});
