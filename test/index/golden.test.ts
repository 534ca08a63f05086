import { decode } from '@msgpack/msgpack';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Plane } from '../../indexer/index/plane.js';
import { BUILDS } from '../core/load.js';
import { ReferenceIndex } from '../core/reference/index.js';
import { batchOf, LAYOUTS, type StoredEvent } from './encode.js';

const build = vi.hoisted(() => ({ name: 'core' as 'core' | 'core.debug' }));
vi.mock('../../indexer/index/core.js', async (original) => {
  const { loadCore } = await import('../core/load.js');
  return { ...(await original<object>()), instantiateCore: () => loadCore(build.name) };
});

/** Golden vectors of facts on vLLM, section 2. */
const ARRAYS = '93cb3ff8000000000000929aab426c6f636b53746f7265649101c092010202c0a3475055c0c0c091b0416c6c426c6f636b73436c6561726564c0';
const MAPS =
  '93cb3ff80000000000009289a474797065ab426c6f636b53746f726564ac626c6f636b5f68617368657392cfffffffffffffffffc4200101010101010101010101010101010101010101010101010101010101010101b1706172656e745f626c6f636b5f68617368c0a9746f6b656e5f696473920102aa626c6f636b5f73697a6502a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f6e616d65c0aa65787472615f6b6579739292a473616c7492a26d6dfdc081a474797065b0416c6c426c6f636b73436c656172656400';
const MAP_BATCH =
  '83a27473cb3ff8000000000000a66576656e74739181a474797065b0416c6c426c6f636b73436c6561726564b2646174615f706172616c6c656c5f72616e6b00';
const REAL_STORE =
  '93cb41dac0af8e5f8335919cab426c6f636b53746f72656491cfa6e90189d53ba529cf0c6521db4da1ff98dc001014440c12cd2bf0cd3632cd0f95ce0002505dccc6ce0002505cce00012d23ccc6ce00023515ce0001d4f1ce0001020ccd999710c0a3475055c091c000ae66756c6c5f617474656e74696f6ec000';
const REAL_REMOVE = '93cb41dac0af964afdf39194ac426c6f636b52656d6f76656491cfa701bf948658912da34750550000';
const REAL_MAP_REMOVE =
  '93cb41dac0af9820106e9184a474797065ac426c6f636b52656d6f766564ac626c6f636b5f68617368657391cf9434898e134afe34a66d656469756da3475055a967726f75705f6964780000';

const OPTIONS = { strideBytes: 16, chainSeed: 1n, namespaceSeed: 2n, rowSalt: 3n };
const IDS = 160_000;
const tokens = Array.from({ length: IDS }, (_, id) => Buffer.from(`t${id % 10}`));
const table = {
  size: IDS,
  bytes: Buffer.concat(tokens),
  offsets: Uint32Array.from({ length: IDS + 1 }, (_, i) => i * 2),
  unknown: new Set<number>(),
  nfc: false,
  completionPrefix: new Uint8Array(),
};
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe.each(BUILDS)('%s', (name) => {
  let plane: Plane;
  let reference: ReferenceIndex;
  beforeAll(async () => {
    build.name = name;
    plane = await Plane.create(OPTIONS);
    plane.loadTokens(table);
  });
  beforeEach(() => {
    plane.clear(0);
    reference = new ReferenceIndex({ ...OPTIONS, tokens });
  });
  const expectSame = (): void => {
    const keys = reference.keys(0);
    expect([plane.residentBlocks(0), plane.residentKeys(0)]).toEqual([reference.residentBlocks(0), keys.size]);
    for (const key of keys) expect(plane.hasKey(0, key)).toBe(true);
  };

  test('array events: one store, then clear; no rank', () => {
    expect(plane.apply(0, hex(ARRAYS))).toEqual({
      status: 'ok',
      events: 2,
      stored: 1,
      copies: 0,
      removed: 0,
      cleared: 1,
      skipped: {},
      timestamp: 1.5,
      rank: null,
    });
    expect(plane.residentBlocks(0)).toBe(0);
  });

  test('map events: 2^64−1 and 32 bytes as hashes; two hashes but two tokens of block size 2 are dropped; rank 0', () => {
    expect(plane.apply(0, hex(MAPS))).toMatchObject({
      status: 'ok',
      events: 2,
      stored: 0,
      cleared: 1,
      skipped: { token_count: 1 },
      rank: 0,
    });
  });

  test('map batch: one clear', () => {
    expect(plane.apply(0, hex(MAP_BATCH))).toMatchObject({ status: 'ok', events: 1, cleared: 1, timestamp: 1.5, rank: 0 });
  });

  test('vLLM 0.23.0: a store behind parent 893157326886928280 is an orphan, and is stored once the parent is there', () => {
    expect(plane.apply(0, hex(REAL_STORE))).toMatchObject({ status: 'ok', events: 1, stored: 0, skipped: { orphan: 1 }, rank: 0 });
    const parent: StoredEvent = {
      type: 'BlockStored',
      block_hashes: [893157326886928280n],
      parent_block_hash: null,
      token_ids: Array<number>(16).fill(7),
      block_size: 16,
      medium: 'GPU',
    };
    for (const payload of [batchOf('arrays', [parent]), hex(REAL_STORE)]) {
      expect(plane.apply(0, payload)).toMatchObject({ stored: 1, skipped: {} });
      reference.apply(0, payload);
      expectSame();
    }
    const remove = batchOf('maps', [{ type: 'BlockRemoved', block_hashes: [12027145971369223465n], medium: 'GPU', group_idx: 0 }]);
    expect(plane.apply(0, remove)).toMatchObject({ removed: 1 });
    expect(plane.residentBlocks(0)).toBe(1);
  });

  test.each([
    [REAL_REMOVE, 12034110323940692269n],
    [REAL_MAP_REMOVE, 10679311859704331828n],
  ])('a remove of a real engine names its hash: %#', (payload, hash) => {
    expect(plane.apply(0, hex(payload))).toMatchObject({ events: 1, removed: 0, skipped: { unknown_removed: 1 }, rank: 0 });
    const store: StoredEvent = { type: 'BlockStored', block_hashes: [hash], parent_block_hash: null, token_ids: [1], block_size: 1 };
    plane.apply(0, batchOf('maps', [store]));
    expect(plane.apply(0, hex(payload))).toMatchObject({ removed: 1, skipped: {} });
    expect(plane.residentBlocks(0)).toBe(0);
  });

  test('the golden vectors are what @msgpack/msgpack reads too', () => {
    expect(decode(hex(REAL_REMOVE), { useBigInt64: true })).toEqual([
      expect.any(Number),
      [['BlockRemoved', [12034110323940692269n], 'GPU', 0]],
      0,
    ]);
    const [, [event]] = decode(hex(REAL_STORE), { useBigInt64: true }) as [number, [unknown[]]];
    expect(event).toHaveLength(12);
    expect((event[3] as number[]).slice(0, 4)).toEqual([20, 68, 12, 18]);
  });

  describe.each(LAYOUTS)('%s', (layout) => {
    const store = (changes: Partial<StoredEvent>): StoredEvent => ({
      type: 'BlockStored',
      block_hashes: [1n],
      parent_block_hash: null,
      token_ids: Array.from({ length: 32 }, (_, i) => i),
      block_size: 32,
      ...changes,
    });
    const both = (...events: object[]): ReturnType<Plane['apply']> => {
      const payload = batchOf(layout, events);
      reference.apply(0, payload);
      return plane.apply(0, payload);
    };

    test('a salt spelled like the adapter, and the adapter alone, are different namespaces', () => {
      both(
        store({ lora_name: 'x', lora_id: 1, extra_keys: [['x', 'x']] }),
        store({ lora_name: 'x', lora_id: 1, extra_keys: [['x']], block_hashes: [2n] }),
        store({ extra_keys: [['x']], block_hashes: [3n] }),
        store({ block_hashes: [4n] }),
      );
      expectSame();
      expect(plane.residentKeys(0)).toBe(4 * 4);
    });

    test('sibling blocks of 64 copies, 200 children and 40 keys each keep exact counts', () => {
      const long = Array.from({ length: 320 }, (_, i) => i);
      both(store({ token_ids: long, block_size: 320 }));
      for (let child = 0; child < 200; child++)
        both(store({ block_hashes: [10n + BigInt(child)], parent_block_hash: 1n, token_ids: [...long].fill(child % 3), block_size: 320 }));
      for (let copy = 0; copy < 64; copy++)
        both(store({ block_hashes: [10n], parent_block_hash: 1n, token_ids: [...long].fill(0), block_size: 320 }));
      expectSame();
      for (let child = 199; child >= 0; child--) {
        both({ type: 'BlockRemoved', block_hashes: [10n + BigInt(child)] });
        if (child % 40 === 0) expectSame();
      }
      for (let copy = 0; copy < 64; copy++) both({ type: 'BlockRemoved', block_hashes: [10n] });
      expectSame();
      expect(plane.residentBlocks(0)).toBe(1);
    });

    test('SGLang names the salt in a field of its own', () => {
      if (layout === 'arrays') return;
      both({ ...store({}), cache_salt: 'tenant' }, store({ block_hashes: [2n], extra_keys: [['tenant']] }), store({ block_hashes: [3n] }));
      expectSame();
      expect(plane.residentKeys(0)).toBe(2 * 4);
    });

    test('more copies and children than a record can count: kept until a clear, never miscounted', () => {
      both(store({}));
      for (let i = 0; i < 300; i++)
        both(store({ block_hashes: [100n + BigInt(i)], parent_block_hash: 1n, token_ids: Array<number>(32).fill(i % 7) }));
      for (let i = 0; i < 200; i++) both(store({ block_hashes: [100n], parent_block_hash: 1n, token_ids: Array<number>(32).fill(0) }));
      expectSame();
      for (let i = 0; i < 201; i++) plane.apply(0, batchOf(layout, [{ type: 'BlockRemoved', block_hashes: [100n] }]));
      expect(plane.residentBlocks(0)).toBe(301);
      for (let i = 1; i < 300; i++) plane.apply(0, batchOf(layout, [{ type: 'BlockRemoved', block_hashes: [100n + BigInt(i)] }]));
      expect(plane.residentBlocks(0)).toBe(2);
      plane.clear(0);
      reference.clear(0);
      both(store({}));
      expectSame();
    });

    test('a block whose text fills more strides than a record has keys for is left out, and so are its children', () => {
      const ids = Array<number>(4096).fill(1); // 8 KiB, 512 strides
      expect(both(store({ token_ids: ids, block_size: 4096 }))).toMatchObject({ stored: 0, skipped: { block_too_long: 1 } });
      expect(both(store({ block_hashes: [2n], parent_block_hash: 1n }))).toMatchObject({ stored: 0, skipped: { orphan: 1 } });
    });

    test('a chain that loses its root gives no credit until the root comes back', () => {
      const chain = Array.from({ length: 20 }, (_, i) =>
        store({ block_hashes: [BigInt(i + 1)], parent_block_hash: i ? BigInt(i) : null, token_ids: Array<number>(32).fill(i) }),
      );
      both(...chain);
      const keys = plane.residentKeys(0);
      both({ type: 'BlockRemoved', block_hashes: [1n] });
      expect(plane.residentKeys(0)).toBe(0);
      expectSame();
      both(store({ block_hashes: [99n], parent_block_hash: 20n }));
      expectSame();
      both(chain[0]!);
      expect(plane.residentKeys(0)).toBeGreaterThan(keys);
      expectSame();
    });
  });
});
