import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { Plane, type PlaneDelta } from '../../indexer/index/plane.js';
import { writeDelta, writeSnapshot } from '../../indexer/publish/writer.js';
import { applyMessage, BUILDS, type Core, loadCore } from '../core/load.js';
import { checksumsIn, wordsIn } from '../core/planes.js';
import { tablesOf } from '../core/programs.js';
import { type Bits, bloomOf, checksumOf, columnOf, wordsOf } from '../core/reference/bloom.js';
import { ReferenceIndex } from '../core/reference/index.js';
import { batchOf, type StoredEvent } from './encode.js';
import { Engines, history, payloadsOf, SEED, SLOTS_USED, TABLE, TOKENS } from './sequences.js';

const build = vi.hoisted(() => ({ name: 'core' as 'core' | 'core.debug' }));
vi.mock('../../indexer/index/core.js', async (original) => {
  const { loadCore: load } = await import('../core/load.js');
  return { ...(await original<object>()), instantiateCore: () => load(build.name) };
});

const OPTIONS = { strideBytes: 8, chainSeed: 21n, namespaceSeed: 22n, rowSalt: 23n };
const ROWS_AT_FIRST = 2560; // 256 keys of 10 bits

describe.each(BUILDS)('%s', (name) => {
  let reader: Core;
  let plane: Plane;
  beforeAll(async () => {
    build.name = name;
    reader = loadCore(name);
    plane = await Plane.create(OPTIONS);
    plane.loadTokens(TABLE);
  });

  /** Bits that the exact keys of the reference ask for. */
  function bitsOf(reference: ReferenceIndex): Bits {
    const { rows, rowSalt, hashes } = plane.state();
    const slots = Array.from({ length: SLOTS_USED }, (_, slot): [number, Set<bigint>] => [slot, reference.keys(slot)]);
    return bloomOf(new Map(slots), rowSalt, rows, hashes);
  }

  function expectPublished(reference: ReferenceIndex): void {
    const state = plane.state();
    const bits = bitsOf(reference);
    for (const [slot, set] of bits) {
      const column = state.column(slot);
      if (column) expect(Buffer.from(column).equals(Buffer.from(columnOf(set, state.rows)))).toBe(true);
      else expect(set.size).toBe(0);
    }
    expect(state.checksum).toBe(checksumOf(bits));
  }

  let sequence = 1n;
  /** What an indexer would send after a publication, applied. */
  function send(delta: PlaneDelta): void {
    sequence++;
    const envelope = { pool: 'p', epoch: 1n, sequence, publishedMs: 1 };
    if (!delta.rebuilt) expect(applyMessage(reader, writeDelta({ ...envelope, planes: [delta] }))).toBe(0);
    else
      for (const part of writeSnapshot({ ...envelope, tables: tablesOf({}), load: [], planes: [plane.state()] }))
        expect(applyMessage(reader, part)).toBe(0);
  }

  function expectReader(reference: ReferenceIndex): void {
    const { rows, checksum } = plane.state();
    const words = wordsIn(reader, 0);
    expect(Buffer.from(words.buffer).equals(Buffer.from(wordsOf(bitsOf(reference), rows).buffer))).toBe(true);
    expect(checksumsIn(reader, 0)).toEqual([checksum, checksum]);
  }

  test('published columns are the Bloom of the exact keys; snapshot and deltas leave the reader the same bits', () => {
    plane.publish();
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat(3)), ({ style, layout, batches }, choices) => {
        for (let slot = 0; slot < SLOTS_USED; slot++) plane.clear(slot);
        const reference = new ReferenceIndex({ ...OPTIONS, tokens: TOKENS });
        const engines = new Engines(style);
        plane.rotate(BigInt(batches.length));
        send(plane.publish()!);
        for (const commands of batches) {
          for (const [slot, payload] of payloadsOf(engines, layout, commands)) {
            plane.apply(slot, payload);
            reference.apply(slot, payload);
          }
          const choice = choices.next().value;
          if (choice === 0) {
            const slot = commands[0]!.slot;
            plane.clear(slot);
            reference.clear(slot);
          }
          if (choice === 1) continue; // published together with the next
          const delta = plane.publish();
          expectPublished(reference);
          if (delta) send(delta);
          expectReader(reference);
          expect(plane.publish()).toBeUndefined();
        }
      }),
      { seed: SEED, numRuns: 40 },
    );
  });

  const chain = (first: number, blocks: number, parent: bigint | null, salt: number): StoredEvent => ({
    type: 'BlockStored',
    block_hashes: Array.from({ length: blocks }, (_, i) => BigInt(first + i)),
    parent_block_hash: parent,
    // Texts of eight bytes or more that differ along the chain: about a key per token.
    token_ids: Array.from({ length: blocks * 4 }, (_, i) => [6, 7, 14, 15, 22, 23][(i * (salt + 1) + (i >> 3) * salt + (i >> 5)) % 6]!),
    block_size: 4,
  });

  test('a slot that outgrows the rows: rebuilt with more of them, nothing forgotten, snapshot instead of delta', async () => {
    plane = await Plane.create(OPTIONS);
    plane.loadTokens(TABLE);
    const reference = new ReferenceIndex({ ...OPTIONS, tokens: TOKENS });
    expect(plane.publish()).toMatchObject({ rebuilt: true });
    send({ plane: 0, rebuilt: true, checksum: 0n, cleared: [], toggles: new Map(), changedKeys: 0 });
    let rebuilt = 0;
    for (let i = 0; i < 12; i++) {
      const payload = batchOf('maps', [chain(1 + i * 20, 20, i ? BigInt(i * 20) : null, i)]);
      plane.apply(0, payload);
      reference.apply(0, payload);
      const { rows, rowSalt } = plane.state();
      const delta = plane.publish()!;
      const grown = plane.state().rows > rows;
      expect(delta.rebuilt).toBe(grown);
      if (grown) {
        rebuilt++;
        expect(plane.state().rowSalt).not.toBe(rowSalt);
      }
      send(delta);
      expectPublished(reference);
      expectReader(reference);
    }
    expect(rebuilt).toBeGreaterThanOrEqual(2);
    expect(plane.state().rows).toBeGreaterThan(ROWS_AT_FIRST);
    expect(plane.residentKeys(0)).toBe(reference.keys(0).size);
  });

  test('clear, refill and clear again between two publications: one clear and the toggles of what is there', () => {
    const reference = new ReferenceIndex({ ...OPTIONS, tokens: TOKENS });
    plane.clear(0);
    plane.apply(0, batchOf('maps', [chain(1, 3, null, 1)]));
    plane.clear(0);
    const payload = batchOf('maps', [chain(1, 2, null, 2)]);
    plane.apply(0, payload);
    reference.apply(0, payload);
    const delta = plane.publish()!;
    expect(delta.cleared).toEqual([0]);
    expect([...delta.toggles.keys()]).toEqual([0]);
    send(delta);
    expectReader(reference);
    plane.clear(0);
    reference.clear(0);
    const emptied = plane.publish()!;
    expect(emptied).toMatchObject({ cleared: [0], checksum: 0n });
    expect(emptied.toggles.size).toBe(0);
    send(emptied);
    expectReader(reference);
  });

  test('a new row salt moves every bit and forgets no key', () => {
    const reference = new ReferenceIndex({ ...OPTIONS, tokens: TOKENS });
    const payload = batchOf('arrays', [chain(1, 8, null, 3)]);
    plane.apply(0, payload);
    reference.apply(0, payload);
    plane.publish();
    const before = Buffer.from(plane.state().column(0)!);
    plane.rotate(0xabcn);
    expect(plane.publish()).toMatchObject({ rebuilt: true, cleared: [] });
    expectPublished(reference);
    expect(before.equals(Buffer.from(plane.state().column(0)!))).toBe(false);
    for (const key of reference.keys(0)) expect(plane.hasKey(0, key)).toBe(true);
  });
});
