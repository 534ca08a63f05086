import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { type BatchResult, Plane } from '../../indexer/index/plane.js';
import { BUILDS, type Build } from '../core/load.js';
import { type Counts, ReferenceIndex } from '../core/reference/index.js';
import { batchOf, LAYOUTS } from './encode.js';
import { command, Engines, history, payloadsOf, SEED, SLOTS_USED, TABLE, TOKENS } from './sequences.js';

const build = vi.hoisted(() => ({ name: 'core' as 'core' | 'core.debug' }));
vi.mock('../../indexer/index/core.js', async (original) => {
  const { loadCore } = await import('../core/load.js');
  return { ...(await original<object>()), instantiateCore: () => loadCore(build.name) };
});

const OPTIONS = { strideBytes: 16, chainSeed: 11n, namespaceSeed: 12n, rowSalt: 13n };

/** A result as the reference counts. */
const countsOf = ({ events, stored, copies, removed, cleared, skipped }: BatchResult): Counts => ({
  events,
  stored,
  copies,
  removed,
  cleared,
  ...skipped,
});

describe.each(BUILDS)('%s', (name: Build) => {
  let plane: Plane;
  beforeAll(async () => {
    build.name = name;
    plane = await Plane.create(OPTIONS);
    plane.loadTokens(TABLE);
  });

  function fresh(): ReferenceIndex {
    for (let slot = 0; slot < SLOTS_USED; slot++) plane.clear(slot);
    return new ReferenceIndex({ ...OPTIONS, tokens: TOKENS });
  }

  /** Exactly the reference's keys are resident: as many, and each of them. */
  function expectSame(reference: ReferenceIndex, once: ReadonlySet<bigint> = new Set()): void {
    for (let slot = 0; slot < SLOTS_USED; slot++) {
      const keys = reference.keys(slot);
      for (const key of keys) if (!plane.hasKey(slot, key)) expect.fail(`slot ${slot} lacks ${key}`);
      for (const key of once) if (!keys.has(key) && plane.hasKey(slot, key)) expect.fail(`slot ${slot} keeps ${key}`);
      expect([plane.residentKeys(slot), plane.residentBlocks(slot)]).toEqual([keys.size, reference.residentBlocks(slot)]);
    }
  }

  test('random histories: same keys, blocks and counts after every batch, in every layout and kind of hash', () => {
    fc.assert(
      fc.property(history, ({ style, layout, batches }) => {
        const reference = fresh();
        const engines = new Engines(style);
        const once = new Set<bigint>();
        for (const commands of batches) {
          for (const [slot, payload] of payloadsOf(engines, layout, commands)) {
            const result = plane.apply(slot, payload);
            expect(result).toMatchObject({ status: 'ok', rank: slot, timestamp: 1.5 });
            expect(countsOf(result)).toEqual(reference.apply(slot, payload));
          }
          expectSame(reference, once);
          for (let slot = 0; slot < SLOTS_USED; slot++) for (const key of reference.keys(slot)) once.add(key);
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test('layouts say the same: one history gives the same keys in each', () => {
    fc.assert(
      fc.property(history, ({ style, batches }) => {
        const references = LAYOUTS.map((layout) => {
          const reference = fresh();
          const engines = new Engines(style);
          for (const commands of batches)
            for (const [slot, payload] of payloadsOf(engines, layout, commands)) {
              plane.apply(slot, payload);
              reference.apply(slot, payload);
            }
          expectSame(reference);
          return [0, 1].map((slot) => reference.keys(slot));
        });
        expect(references[1]).toEqual(references[0]);
        expect(references[2]).toEqual(references[0]);
      }),
      { seed: SEED + 1, numRuns: 20 },
    );
  });

  test('a payload cut off anywhere is no batch and changes nothing', () => {
    fc.assert(
      fc.property(history, ({ style, layout, batches }) => {
        const reference = fresh();
        const engines = new Engines(style);
        for (const commands of batches.slice(0, 3))
          for (const [slot, payload] of payloadsOf(engines, layout, commands)) {
            for (let length = 0; length < payload.length; length++)
              expect(plane.apply(slot, payload.subarray(0, length)).status).toBe('undecodable');
            expectSame(reference);
            expect(plane.apply(slot, payload).status).toBe('ok');
            reference.apply(slot, payload);
          }
        expectSame(reference);
      }),
      { seed: SEED + 2, numRuns: 12 },
    );
  });

  test('bytes of noise in a payload never trap, and reach no other slot', () => {
    const noise = fc.array(fc.tuple(fc.nat(4000), fc.oneof(fc.constantFrom(0xc1, 0xdd, 0xdf, 0xdb, 0xc6, 0xc9, 0xff, 0x00), fc.nat(255))), {
      minLength: 1,
      maxLength: 4,
    });
    const reference = fresh();
    const engines = new Engines('uint64');
    const setup = fc.sample(command, { seed: SEED, numRuns: 60 });
    for (const one of setup)
      for (const [slot, payload] of payloadsOf(engines, 'maps', [one])) {
        if (slot === 0) continue;
        plane.apply(slot, payload);
        reference.apply(slot, payload);
      }
    fc.assert(
      fc.property(history, noise, ({ style, layout, batches }, bytes) => {
        const others = new Engines(style);
        for (const commands of batches.slice(0, 4))
          for (const [, payload] of payloadsOf(others, layout, commands)) {
            for (const [at, value] of bytes) payload[at % payload.length] = value;
            plane.apply(0, payload);
          }
        plane.clear(0);
        reference.clear(0);
        expectSame(reference);
      }),
      { seed: SEED + 3, numRuns: 250 },
    );
    // The slot is as good as new.
    for (const one of setup)
      for (const [, payload] of payloadsOf(new Engines('small'), 'arrays', [one])) {
        plane.apply(0, payload);
        reference.apply(0, payload);
      }
    expectSame(reference);
  });

  test.each([
    '',
    'c0',
    '00',
    '90',
    '91c0',
    '92cb3ff8000000000000c0',
    '80',
    '81a274730a',
    'dfffffffff',
    'ddffffffff',
    `${'91'.repeat(4000)}`,
    'c1',
  ])('no batch: %s', (hex) => {
    expect(plane.apply(0, Buffer.from(hex.slice(0, 8000), 'hex'))).toMatchObject({ status: 'undecodable', events: 0 });
  });

  test('an event of the wrong shape is counted and its neighbours are applied', () => {
    const reference = fresh();
    const store = (hash: number) => ({
      type: 'BlockStored',
      block_hashes: [hash],
      parent_block_hash: null,
      token_ids: [1, 2, 3, 7],
      block_size: 4,
    });
    const odd = [
      null,
      7,
      'text',
      [],
      {},
      [7],
      { type: 7 },
      [['BlockStored']],
      ['BlockStored'],
      ['BlockStored', 'x'],
      { ...store(9), token_ids: ['a'] },
    ];
    for (const layout of LAYOUTS) {
      const events = [store(1), ...odd, store(2)].map((event) =>
        layout === 'arrays' && !Array.isArray(event) && (event as { type?: unknown })?.type === undefined ? [event] : event,
      );
      const payload = batchOf(layout, events as never);
      const result = plane.apply(0, payload);
      expect(result.status).toBe('ok');
      expect(result.events).toBe(events.length);
      expect(countsOf(result)).toEqual(reference.apply(0, payload));
      expectSame(reference);
      expect(plane.residentBlocks(0)).toBe(2);
    }
  });
});
