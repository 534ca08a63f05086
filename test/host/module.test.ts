import { describe, expect, test } from 'vitest';
import { assemble, declare } from './assembly';
import { loadModule } from './index';

describe('a module that Envoy would refuse is refused here, and says why', () => {
  test.each([
    [
      'an abort that is left over',
      'export function f(n: i32): i32 { assert(n > 3); return n; }',
      { use: [] },
      'imports env.abort, which Envoy does not have',
    ],
    [
      'a host function that does not exist',
      `${declare({ proxy_no_such: 1 })} export function f(): i32 { return proxy_no_such(1); }`,
      {},
      'imports env.proxy_no_such',
    ],
    [
      'a wrong signature',
      `${declare({ proxy_increment_metric: 2 })} export function f(): i32 { return proxy_increment_metric(1, 1); }`,
      {},
      'imports proxy_increment_metric as (ii) → i instead of (il) → i',
    ],
    [
      'a start section',
      'let x: i32 = load<i32>(1000) + 1; export function f(): i32 { return x; }',
      { exportStart: undefined },
      'has a start section',
    ],
    [
      'a callback that nobody calls',
      'export function proxy_on_requst_headers(): void {}',
      {},
      'exports proxy_on_requst_headers, which nobody calls',
    ],
    ['an imported memory', '', { importMemory: true }, 'imports env.memory, which is not a function'],
  ])('%s', async (_, source, options, message) => {
    const bytes = await assemble(source, { options });
    expect(() => loadModule(bytes)).toThrow(message);
  });

  test('no ABI version, no allocation', async () => {
    const bytes = await assemble('export function f(): void {}', { complete: false });
    expect(() => loadModule(bytes)).toThrow('does not export proxy_abi_version_0_2_1; it does not export proxy_on_memory_allocate');
  });

  test('a module with nothing wrong loads', async () => {
    expect([...loadModule(await assemble('')).exports]).toEqual(expect.arrayContaining(['proxy_abi_version_0_2_1', 'memory']));
  });
});
