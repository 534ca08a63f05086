import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Compiled, compileFilter } from '../host/compile';
import { decodePairs, encodePairs, encodeText } from '../host/guest-memory';
import { Bare } from './bare';

let compiled: Compiled;
let bare: Bare;
beforeAll(async () => {
  compiled = await compileFilter('assembly/as-proxy-wasm/test/results.ts');
  bare = new Bare(compiled.path);
});
afterAll(() => compiled.remove());

const lists = fc.array(fc.tuple(fc.string({ maxLength: 40, unit: 'grapheme' }), fc.string({ maxLength: 300, unit: 'grapheme' })), {
  maxLength: 40,
});
const encoded = () => Buffer.from(bare.bytes(bare.call.pairsPtr!() >>> 0, bare.call.pairsLength!()));

function add(name: string, value: string): number {
  const [n, v] = [encodeText(name), encodeText(value)];
  return bare.call.addPair!(bare.put(n), n.length, bare.put(v), v.length)!;
}

test('a list is encoded as the host reads it, at every size', () => {
  fc.assert(
    fc.property(lists, (pairs) => {
      bare.call.clearPairs!();
      for (const [name, value] of pairs) add(name, value);
      expect(encoded()).toEqual(Buffer.from(encodePairs(pairs)));
      expect(decodePairs(encoded())).toEqual(pairs);
    }),
    { numRuns: 200 },
  );
});

test('a reader sees every pair that the host wrote', () => {
  fc.assert(
    fc.property(lists, (pairs) => {
      const bytes = encodePairs(pairs);
      bare.call.copyPairs!(bare.put(bytes), bytes.length);
      expect(encoded()).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 200 },
  );
});

test('a list that the host would no longer read does not grow further', () => {
  bare.call.clearPairs!();
  for (let i = 0; i < 1024; i++) expect(add('a', 'b')).toBe(1);
  expect(add('a', 'b')).toBe(0);
  expect(decodePairs(encoded())).toHaveLength(1024);
  bare.call.clearPairs!();
  expect(add('a', 'x'.repeat(1 << 20))).toBe(0);
  expect(decodePairs(encoded())).toEqual([]);
});
