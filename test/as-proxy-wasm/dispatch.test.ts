import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compiled, compileFilter } from '../host/compile';
import { Host } from '../host/index';
import { Bare } from './bare';

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compileFilter('assembly/as-proxy-wasm/test/pool.ts');
});
afterAll(() => compiled.remove());

/** What the module's stream answers for its id, and what a missing one does. */
const CONTINUE = 0;
const answerOf = (id: number) => (id & 1 ? 1 : 2);

function started(configuration: number): Bare {
  const bare = new Bare(compiled.path);
  bare.call.proxy_on_context_create!(1, 0);
  bare.call.proxy_on_vm_start!(1, 0);
  bare.call.proxy_on_configure!(1, configuration);
  return bare;
}

describe('contexts by number', () => {
  test('any order of creation and deletion, of any numbers: each callback reaches its object and no other', () => {
    const operations = fc.array(
      fc.tuple(fc.boolean(), fc.oneof(fc.integer({ min: 2, max: 300 }), fc.integer({ min: 2, max: 0xffffffff }))),
      {
        minLength: 300,
        maxLength: 1500,
        size: 'max',
      },
    );
    fc.assert(
      fc.property(operations, (list) => {
        const bare = started(0);
        const open = new Set<number>();
        for (const [create, id] of list) {
          if (create && !open.has(id)) {
            open.add(id);
            bare.call.proxy_on_context_create!(id, 1);
          } else if (!create) {
            open.delete(id);
            bare.call.proxy_on_delete!(id);
          }
        }
        const wrong = list.filter(([, id]) => bare.call.proxy_on_request_headers!(id, 0, 0) !== (open.has(id) ? answerOf(id) : CONTINUE));
        expect(wrong).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test('twenty thousand streams at once, deleted in another order', () => {
    const bare = started(0);
    const ids = Array.from({ length: 20_000 }, (_, i) => i + 2);
    for (const id of ids) bare.call.proxy_on_context_create!(id, 1);
    expect(ids.every((id) => bare.call.proxy_on_request_headers!(id, 0, 0) === answerOf(id))).toBe(true);
    for (const id of ids) if (id % 3 === 0) bare.call.proxy_on_delete!(id);
    const wrong = ids.filter((id) => bare.call.proxy_on_request_headers!(id, 0, 0) !== (id % 3 === 0 ? CONTINUE : answerOf(id)));
    expect(wrong).toEqual([]);
  });

  test('numbers that nobody knows never trap', () => {
    const bare = new Bare(compiled.path);
    bare.call.proxy_on_context_create!(7, 99);
    expect(bare.call.proxy_on_request_headers!(7, 0, 0)).toBe(CONTINUE);
    expect(bare.call.proxy_on_vm_start!(5, 0)).toBe(0);
    expect(bare.call.proxy_on_configure!(5, 0)).toBe(0);
    bare.call.proxy_on_delete!(0);
    bare.call.proxy_on_delete!(12345);
    expect(bare.call.proxy_on_request_headers!(0, 0, 0)).toBe(CONTINUE);
  });
});

/** Moves of the heap's next free place while a warmed-up VM serves requests. */
async function heapMoves(configuration: string): Promise<number> {
  const bare = started(configuration.length);
  const serve = (id: number) => {
    bare.call.proxy_on_context_create!(id, 1);
    bare.call.proxy_on_request_headers!(id, 0, 1);
    bare.call.proxy_on_delete!(id);
  };
  for (let id = 2; id < 2000; id++) serve(id);
  let moves = 0;
  let last = bare.call.mark!();
  for (let id = 2000; id < 12_000; id++) {
    serve(id);
    const now = bare.call.mark!();
    if (now !== last) moves++;
    last = now;
  }
  return moves;
}

test('a warmed-up VM with pooled streams allocates nothing per request', async () => {
  expect(await heapMoves('')).toBe(0);
  // The same without a pool: the measure can fail.
  expect(await heapMoves('no pool')).toBeGreaterThan(0);
});

test('the entry file decides what is exported, and nothing but the host is imported', async () => {
  const { exports } = await import('../host/module').then(({ loadModule }) => loadModule(compiled.path));
  const callbacks = [...exports].filter((name) => name.startsWith('proxy_'));
  expect(callbacks.sort()).toEqual([
    'proxy_abi_version_0_2_1',
    'proxy_on_configure',
    'proxy_on_context_create',
    'proxy_on_delete',
    'proxy_on_memory_allocate',
    'proxy_on_request_headers',
    'proxy_on_vm_start',
  ]);
  expect(new Bare(compiled.path).imported).toEqual(expect.arrayContaining(['env.proxy_get_header_map_value']));
  const host = await Host.start({ wasm: compiled.path });
  expect(host.request().result.status).toBe(200);
});
