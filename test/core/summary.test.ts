import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { KIND_DELTA, KIND_SNAPSHOT, MESSAGE_MAX_BYTES } from '../../assembly/core/summary/format.js';
import { programKey, writeDelta, writeSnapshot } from '../../indexer/publish/writer.js';
import { SEED } from './arbitraries.js';
import { applyMessage, BUILDS, type Core, decide, loadCore } from './load.js';
import { checksumsIn, FILLINGS, fill, type PlaneModel, planeModel, stateOf, wordsIn, wordsOfModel } from './planes.js';
import { randomFrom, randomProgram, tablesOf } from './programs.js';
import { checksumOf } from './reference/bloom.js';
import { ReferenceSummary } from './reference/message.js';

const DRIFTED = 19;
const rowCounts = fc.constantFrom(64, 128, 2560, 6400);
const planes = fc.tuple(planeModel(0, rowCounts), planeModel(1, rowCounts), planeModel(31, rowCounts)).chain((all) => fc.subarray(all));

const snapshotOf = (models: readonly PlaneModel[], checksum?: bigint): Buffer[] => {
  const states = models.map((model) => stateOf(model, checksum));
  return writeSnapshot({ pool: 'p', epoch: 5n, sequence: 9n, publishedMs: 77, tables: tablesOf({}), load: [], planes: states });
};

/** Flips of some rows of some slots, and slots that clear before. */
const change = fc.record({
  cleared: fc.uniqueArray(fc.nat(63), { maxLength: 3 }),
  toggles: fc.uniqueArray(fc.tuple(fc.nat(63), fc.constantFrom('one', 'sparse', 'half', 'ends', 'full'), fc.nat(1e6)), {
    selector: ([slot]) => slot,
    maxLength: 4,
  }),
});

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });

  function install(messages: readonly Buffer[]): void {
    core.summary_reset();
    for (const message of messages) expect(applyMessage(core, message)).toBe(0);
  }

  function expectPlane(model: PlaneModel): void {
    expect(wordsIn(core, model.plane)).toEqual(wordsOfModel(model));
    const checksum = checksumOf(model.bits);
    expect(checksumsIn(core, model.plane)).toEqual([checksum, checksum]);
  }

  test('a snapshot arrives bit by bit: several planes, empty, sparse, dense and full columns', () => {
    fc.assert(
      fc.property(planes, (models) => {
        const messages = snapshotOf(models);
        install(messages);
        const reference = new ReferenceSummary();
        for (const message of messages) reference.apply(message);
        for (const model of models) {
          expectPlane(model);
          const set = new Map([...model.bits].filter(([, rows]) => rows.size));
          expect(reference.planes.get(model.plane)).toMatchObject({ rows: model.rows, salt: model.rowSalt, group: model.group, bits: set });
        }
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  test('deltas keep bits and checksum: clears before toggles, toggles of all densities, several in a row', () => {
    fc.assert(
      fc.property(planeModel(3, rowCounts), fc.array(change, { minLength: 1, maxLength: 4 }), (model, changes) => {
        install(snapshotOf([model]));
        const reference = new ReferenceSummary();
        for (const message of snapshotOf([model])) reference.apply(message);
        for (const [i, { cleared, toggles }] of changes.entries()) {
          for (const slot of cleared) model.bits.get(slot)?.clear();
          const flips = new Map<number, Uint32Array>();
          for (const [slot, filling, seed] of toggles) {
            const rows = [...fill(filling, model.rows, seed)!].sort((a, b) => a - b);
            if (!rows.length) continue;
            flips.set(slot, Uint32Array.from(rows));
            const set = model.bits.get(slot) ?? new Set();
            for (const row of rows) if (!set.delete(row)) set.add(row);
            model.bits.set(slot, set);
          }
          const checksum = checksumOf(model.bits);
          const delta = { plane: 3, rebuilt: false, checksum, cleared, toggles: flips, changedKeys: 1 };
          const message = writeDelta({ pool: 'p', epoch: 5n, sequence: BigInt(10 + i), publishedMs: 78, planes: [delta] });
          expect(applyMessage(core, message)).toBe(0);
          expect(reference.apply(message)).toMatchObject({ kind: KIND_DELTA, base: BigInt(9 + i), sequence: BigInt(10 + i), epoch: 5n });
          expectPlane(model);
          expect(reference.planes.get(3)!.checksum).toBe(checksum);
        }
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  test('more than one part: no message above the limit, columns of more than one piece, row counts that end within a piece', () => {
    const model: PlaneModel = { plane: 0, group: 0, hashes: 4, rows: 3 * 2 ** 18 - 64, rowSalt: 3n, bits: new Map() };
    for (const [i, filling] of FILLINGS.entries()) {
      const set = fill(filling, model.rows, i);
      if (set) model.bits.set(i * 9, set);
    }
    for (let slot = 40; slot < 52; slot++) model.bits.set(slot, model.bits.get(9 * FILLINGS.indexOf('half'))!);
    const messages = snapshotOf([model], 0n); // millions of bits: too slow to check in BigInt
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(message.length).toBeLessThanOrEqual(MESSAGE_MAX_BYTES);
    const reference = new ReferenceSummary();
    const headers = messages.map((message) => reference.apply(message));
    for (const [part, header] of headers.entries())
      expect(header).toMatchObject({ kind: KIND_SNAPSHOT, part, parts: messages.length, sequence: 9n, base: 0n });
    install(messages);
    const words = wordsOfModel(model);
    for (let row = 0; row < model.rows; row++) if (BigInt.asUintN(64, core.summary_word(0, row)) !== words[row]) expect.fail(`row ${row}`);
    core.summary_reset();
  });

  test('bits that drifted are told by the next delta, whatever it changes', () => {
    const model: PlaneModel = { plane: 0, group: 0, hashes: 4, rows: 64, rowSalt: 1n, bits: new Map([[1, new Set([5])]]) };
    const delta = { plane: 0, rebuilt: false, cleared: [], toggles: new Map(), changedKeys: 0, checksum: checksumOf(model.bits) ^ 1n };
    install(snapshotOf([model]));
    expect(applyMessage(core, writeDelta({ pool: 'p', epoch: 5n, sequence: 10n, publishedMs: 1, planes: [delta] }))).toBe(DRIFTED);
  });

  test('a plane above the memory limit is left out and the rest applies', () => {
    const wide: PlaneModel = { plane: 0, group: 0, hashes: 4, rows: 6400, rowSalt: 1n, bits: new Map([[0, new Set([1])]]) };
    const small: PlaneModel = { plane: 1, group: 1, hashes: 4, rows: 64, rowSalt: 1n, bits: new Map([[0, new Set([1])]]) };
    core.summary_reset();
    expect(applyMessage(core, snapshotOf([wide, small])[0]!, 6400 * 8)).toBe(0);
    expect([core.summary_rows(0), core.summary_rows(1)]).toEqual([6400, 0]);
    core.summary_reset();
    expect(applyMessage(core, snapshotOf([wide, small])[0]!, 6400 * 8 - 1)).toBe(0);
    expect([core.summary_rows(0), core.summary_rows(1)]).toEqual([0, 64]);
    expectPlane(small);
  });

  test('endpoints that are withdrawn in a delta are no destinations any more, and come back', () => {
    const tables = tablesOf({ endpoints: 5 });
    install(writeSnapshot({ pool: 'p', epoch: 5n, sequence: 9n, publishedMs: 1, tables, load: [], planes: [] }));
    const body = Buffer.from('{"prompt":"a"}');
    const random = randomFrom(SEED);
    for (let i = 0; i < 40; i++) {
      const ready = tables.endpoints.filter(() => random(3) === 0).map(({ id }) => id);
      const endpoints = tables.endpoints.map((endpoint) => ({ ...endpoint, ready: ready.includes(endpoint.id) }));
      const present = endpoints.filter(({ ready }) => ready || random(2));
      expect(applyMessage(core, writeDelta({ pool: 'p', epoch: 5n, sequence: 10n, publishedMs: 1, tables: { endpoints: present } }))).toBe(
        0,
      );
      const { destinations } = decide(core, body, false);
      expect(destinations.length > 0).toBe(ready.length > 0);
      for (const id of destinations) expect(ready).toContain(id);
    }
  });
});

test('tables as written are as read: parameters, models, endpoints, load, programs', () => {
  const program = randomProgram(SEED, 30, { nfc: true });
  const models = [
    { name: 'Qwen/漢', adapter: false },
    { name: 'ad-one', adapter: true },
    { name: '', adapter: false },
  ];
  const tables = {
    ...tablesOf({ program, endpoints: 70, models, strideBytes: 256 }),
    programs: [program, { ...program, variant: '{"a":1}', chat: false }],
  };
  const load = [
    { id: 3, kvUsage: 0.5, running: 2, waiting: 70_000, inFlight: 7, ageMs: 12.4 },
    { id: 69, kvUsage: 1.2, running: 0, waiting: 0, inFlight: -1, ageMs: 0 },
  ];
  const reference = new ReferenceSummary();
  for (const message of writeSnapshot({ pool: 'p', epoch: 1n, sequence: 2n, publishedMs: 3, tables, load, planes: [] }))
    reference.apply(message);
  expect(reference.parameters).toEqual(tables.parameters);
  expect(reference.models).toEqual(models.map(({ name, adapter }) => ({ kind: adapter ? 1 : 0, name })));
  expect([...reference.endpoints].map(([id, endpoint]) => ({ id, ...endpoint }))).toEqual(tables.endpoints);
  expect(reference.load).toEqual(
    new Map([
      [3, { kv: 32768, running: 2, waiting: 65535, inFlight: 7, ageMs: 12 }],
      [69, { kv: 65535, running: 0, waiting: 0, inFlight: 0, ageMs: 0 }],
    ]),
  );
  const entries = program.entries.map((entry) => ({
    key: programKey(entry),
    content: entry.content,
    literal: Buffer.from(entry.literal).toString(),
  }));
  const prefix = Buffer.from(program.completionPrefix).toString();
  expect(reference.programs[0]).toEqual({ variant: 0n, flags: 3, prefix, entries });
  expect(reference.programs[1]).toMatchObject({ flags: 1, entries });
  expect(reference.programs[1]!.variant).not.toBe(0n);
});
