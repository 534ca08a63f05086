import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Plane } from '../../indexer/index/plane.js';
import { writeSnapshot } from '../../indexer/publish/writer.js';
import { batchOf } from '../index/encode.js';
import { SEED } from './arbitraries.js';
import { applyMessage, BUILDS, type Core, decide, loadCore } from './load.js';
import { type PlaneModel, stateOf } from './planes.js';
import { CHAIN_SEED, installSummary, NAMESPACE_SEED, randomFrom, tablesOf } from './programs.js';
import { type Bits, rowsOf, walkLinear } from './reference/bloom.js';
import { keysOf, namespaceOf } from './reference/chain.js';

const STRIDE = 16;
const SLOTS = 64;
const SALTS = 100;
const ALL = 2n ** 64n - 1n;
const namespace = namespaceOf(NAMESPACE_SEED);

const completion = (prompt: Buffer): Buffer => Buffer.from(JSON.stringify({ prompt: prompt.toString('latin1') }));
const promptOf = (strides: number, seed: number): Buffer => {
  const random = randomFrom(seed);
  return Buffer.from(Array.from({ length: strides * STRIDE + random(STRIDE) }, () => 97 + random(26)));
};

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });

  function walked(mask: bigint, linear: boolean): number[] {
    core.walk_plane(0, mask, linear ? 1 : 0);
    return Array.from({ length: SLOTS }, (_, slot) => core.walked(slot));
  }

  test('probing every 16th key finds what looking at every key finds: prefix-closed residency under noise of all strengths', () => {
    const one = fc.record({
      strides: fc.oneof(fc.nat(70), fc.constantFrom(0, 1, 15, 16, 17, 31, 32, 33, 200)),
      seed: fc.nat(1e6),
      rowSalt: fc.bigInt({ min: 0n, max: ALL }),
      hashes: fc.integer({ min: 2, max: 6 }),
      noise: fc.constantFrom(0, 10, 33, 50, 60), // per cent of all rows
      mask: fc.oneof(fc.constant(ALL), fc.bigInt({ min: 0n, max: ALL })),
    });
    fc.assert(
      fc.property(one, ({ strides, seed, rowSalt, hashes, noise, mask }) => {
        const random = randomFrom(seed);
        const rows = 1024;
        const prompt = promptOf(strides, seed);
        const keys = keysOf(prompt, STRIDE, CHAIN_SEED, namespace);
        const places = keys.map((key) => rowsOf(key, rowSalt, rows, hashes));
        const bits: Bits = new Map();
        const held: number[] = [];
        const common = random(strides + 1);
        for (let slot = 0; slot < SLOTS; slot++) {
          const set = new Set<number>();
          for (let row = 0; row < rows; row++) if (random(100) < noise) set.add(row);
          held[slot] = [0, strides, common, random(strides + 1)][random(4)]!;
          for (const key of places.slice(0, held[slot])) for (const row of key) set.add(row);
          bits.set(slot, set);
        }
        const model: PlaneModel = { plane: 0, group: 0, hashes, rows, rowSalt, bits };
        installSummary(core, { planes: [stateOf(model, 0n)], strideBytes: STRIDE, endpoints: SLOTS });
        expect(decide(core, completion(prompt), false).keys).toEqual(keys);
        const linear = walked(mask, true);
        const expected = linear.map((_, slot) =>
          (mask >> BigInt(slot)) & 1n ? walkLinear(bits.get(slot)!, keys, rowSalt, rows, hashes) : 0,
        );
        expect(linear).toEqual(expected);
        expect(walked(mask, false)).toEqual(expected);
        for (let slot = 0; slot < SLOTS; slot++) if ((mask >> BigInt(slot)) & 1n) expect(linear[slot]).toBeGreaterThanOrEqual(held[slot]!);
      }),
      { seed: SEED, numRuns: 120 },
    );
  });

  test('a false positive lengthens a match as rarely as ten bits a key promise: e/(1−e) strides on average, over 100 salts', async () => {
    const strides = 80;
    const others = 400; // keys of other prompts in every slot
    const prompt = promptOf(strides, SEED);
    const random = randomFrom(SEED);
    const plane = await Plane.create({
      strideBytes: STRIDE,
      chainSeed: CHAIN_SEED,
      namespaceSeed: NAMESPACE_SEED,
      expectedKeysPerSlot: 480,
    });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, id) => id));
    const offsets = Uint32Array.from({ length: 257 }, (_, id) => id);
    plane.loadTokens({ size: 256, bytes, offsets, unknown: new Set(), nfc: false, completionPrefix: new Uint8Array() });
    const store = (hashes: bigint[], text: Uint8Array) => ({
      type: 'BlockStored',
      block_hashes: hashes,
      parent_block_hash: null,
      token_ids: [...text],
      block_size: STRIDE,
    });
    const held: number[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      held.push(random(60));
      const chains: [bigint, Uint8Array][] = [
        [1n, prompt.subarray(0, held[slot]! * STRIDE)],
        [10_000n, Buffer.from(Array.from({ length: others * STRIDE }, () => random(256)))],
      ];
      for (const [first, text] of chains) {
        const hashes = Array.from({ length: text.length / STRIDE }, (_, i) => first + BigInt(i));
        if (hashes.length) plane.apply(slot, batchOf('maps', [store(hashes, text)]));
      }
      expect(plane.residentKeys(slot)).toBe(held[slot]! + others);
    }
    const body = completion(prompt);
    const tables = tablesOf({ strideBytes: STRIDE, endpoints: SLOTS });
    const overshoots: number[] = [];
    let expected = 0;
    for (let salt = 0; salt < SALTS; salt++) {
      plane.rotate(BigInt.asUintN(64, BigInt(salt) * 0x9e3779b97f4a7c15n));
      plane.publish();
      core.summary_reset();
      for (const part of writeSnapshot({ pool: 'p', epoch: 1n, sequence: 1n, publishedMs: 1, tables, load: [], planes: [plane.state()] }))
        expect(applyMessage(core, part)).toBe(0);
      decide(core, body, false);
      for (const [slot, match] of walked(ALL, false).entries()) {
        const over = match - held[slot]!;
        expect(over).toBeGreaterThanOrEqual(0);
        overshoots.push(over);
        const full = 1 - (1 - 1 / plane.state().rows) ** (4 * (held[slot]! + others));
        const e = full ** 4;
        expected += e / (1 - e);
      }
    }
    const n = overshoots.length;
    const mean = overshoots.reduce((sum, over) => sum + over, 0) / n;
    const deviation = Math.sqrt(overshoots.reduce((sum, over) => sum + (over - mean) ** 2, 0) / (n - 1));
    const wanted = expected / n;
    const e = wanted / (1 + wanted);
    expect(e).toBeGreaterThan(0.005);
    expect(Math.abs(mean - wanted)).toBeLessThan(2 * e * e + (3 * deviation) / Math.sqrt(n));
  });
});
