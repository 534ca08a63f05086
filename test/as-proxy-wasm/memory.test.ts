import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compiled, compileFilter } from '../host/compile';
import { Bare } from './bare';

const MAX_RESULT_BYTES = 64 << 20;
const SCRATCH_BYTES = 8192;

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compileFilter('assembly/as-proxy-wasm/test/results.ts');
});
afterAll(() => compiled.remove());

/** A module whose shared data is `value`, and which has no properties. */
function withValue() {
  const state = { value: new Uint8Array(), status: 0, logs: [] as string[] };
  const bare = new Bare(compiled.path, (self) => ({
    proxy_get_shared_data: (_key, _size, outPtr, outLength) => state.status || self.give(state.value, outPtr!, outLength!),
    proxy_log: (level, ptr, length) => {
      state.logs.push(`${level} ${Buffer.from(self.bytes(ptr!, length!)).toString('latin1')}`);
      return 0;
    },
  }));
  return { bare, state, result: () => Buffer.from(bare.bytes(bare.call.ptr!() >>> 0, bare.call.length!())) };
}

const filled = (length: number, value = 7) => new Uint8Array(length).fill(value);

describe('where results land', () => {
  test('a small result takes no heap: each one is at the same place', () => {
    const { bare, state, result } = withValue();
    const places = new Set<number>();
    for (const length of [1, 100, SCRATCH_BYTES]) {
      state.value = filled(length, length & 255);
      expect(bare.call.shared!()).toBe(0);
      expect(result()).toEqual(Buffer.from(state.value));
      places.add(bare.call.ptr!());
    }
    expect(places.size).toBe(1);
  });

  test('a result that is too big for the scratch area is given back by the next one', () => {
    const { bare, state, result } = withValue();
    state.value = filled(SCRATCH_BYTES + 1);
    const places = new Set<number>();
    for (let i = 0; i < 100; i++) {
      bare.call.shared!();
      expect(result().length).toBe(SCRATCH_BYTES + 1);
      places.add(bare.call.ptr!());
    }
    expect(places.size).toBe(1);
    expect(bare.memory.buffer.byteLength).toBeLessThan(1 << 20);
  });

  test('a result lands where it was told to, if it fits', () => {
    const { bare, state, result } = withValue();
    const place = bare.call.room!(100)! >>> 0;
    state.value = filled(100);
    bare.call.landedShared!(place, 100);
    expect(bare.call.ptr!() >>> 0).toBe(place);
    expect(result()).toEqual(Buffer.from(filled(100)));
    state.value = filled(101);
    bare.call.landedShared!(place, 100);
    expect(bare.call.ptr!() >>> 0).not.toBe(place);
    expect(bare.call.length!()).toBe(101);
  });

  test.each([
    ['empty', { value: new Uint8Array(), status: 0 }],
    ['failed', { value: filled(5), status: 1 }],
  ])('a landing is not left over for a later result when the call was %s', (_, next) => {
    const { bare, state } = withValue();
    const place = bare.call.room!(100)! >>> 0;
    Object.assign(state, next);
    bare.call.landedShared!(place, 100);
    expect([bare.call.ptr!(), bare.call.length!()]).toEqual([0, 0]);
    Object.assign(state, { value: filled(50), status: 0 });
    bare.call.shared!();
    expect(bare.call.ptr!() >>> 0).not.toBe(place);
  });

  test('a result above the limit is refused without a trap, and the next one works', () => {
    const { bare, state } = withValue();
    state.value = filled(MAX_RESULT_BYTES + 1);
    expect(bare.call.shared!()).toBe(6);
    expect(bare.call.length!()).toBe(0);
    state.value = filled(3);
    expect(bare.call.shared!()).toBe(0);
    expect(bare.call.length!()).toBe(3);
  });

  test('room that is asked for outside of our calls is plain heap memory', () => {
    const { bare, state } = withValue();
    const first = bare.call.proxy_on_memory_allocate!(10)!;
    const second = bare.call.proxy_on_memory_allocate!(10)!;
    expect(first).not.toBe(second);
    state.value = filled(10);
    bare.call.shared!();
    expect([first, second]).not.toContain(bare.call.ptr!());
  });
});

test('an abort says what and where in one critical line, then traps', () => {
  const { bare, state } = withValue();
  expect(() => bare.call.fail!()).toThrow(WebAssembly.RuntimeError);
  expect(state.logs).toEqual([
    expect.stringMatching(/^5 abort: as was to be expected at assembly\/as-proxy-wasm\/test\/results\.ts:\d+:\d+$/),
  ]);
});
