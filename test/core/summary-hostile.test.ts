import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { FORMAT_VERSION } from '../../assembly/core/summary/format.js';
import { writeDelta, writeSnapshot } from '../../indexer/publish/writer.js';
import { SEED } from './arbitraries.js';
import { applyMessage, BUILDS, type Core, decide, loadCore } from './load.js';
import { checksumsIn, type PlaneModel, stateOf, wordsIn } from './planes.js';
import { randomProgram, tablesOf } from './programs.js';
import { checksumOf } from './reference/bloom.js';
import { hashBytes } from './reference/chain.js';

const FOREIGN = 2;
const VERSION = 3;
const CORRUPT = 4;
const POOL = 5;
const MALFORMED = 18;
const MAX_BYTES = 1 << 20;

const model: PlaneModel = { plane: 0, group: 0, hashes: 4, rows: 128, rowSalt: 1n, bits: new Map([[0, new Set([1, 70])]]) };
const random = (share: number): Set<number> =>
  new Set(Array.from({ length: 128 }, (_, row) => row).filter((row) => (row * 37) % 100 < share));
model.bits.set(5, random(60)).set(63, random(100));
const program = { ...randomProgram(SEED, 3), completionPrefix: Buffer.from('<s>') };
const models = [{ name: 'base', adapter: false }];
const load = [{ id: 0, kvUsage: 0.1, running: 1, waiting: 2, inFlight: 3, ageMs: 4 }];
const tables = tablesOf({ program, endpoints: 3, models });
const [snapshot] = writeSnapshot({ pool: 'p', epoch: 5n, sequence: 9n, publishedMs: 77, tables, load, planes: [stateOf(model)] }) as [
  Buffer,
];
const after = new Map([...model.bits, [0, new Set<number>()], [7, new Set([0, 3, 127])]]);
const toggles = new Map([[7, Uint32Array.of(0, 3, 127)]]);
const planeDelta = { plane: 0, rebuilt: false, checksum: checksumOf(after), cleared: [0], toggles, changedKeys: 3 };
const delta = writeDelta({ pool: 'p', epoch: 5n, sequence: 10n, publishedMs: 78, tables: { models }, load, planes: [planeDelta] });

/** Length and checksum made right again: only what a section says is wrong. */
function resign(message: Buffer): Buffer {
  message.writeUInt32LE(message.length - 64, 40);
  message.writeBigUInt64LE(hashBytes(hashBytes(0n, message.subarray(0, 48)), message.subarray(56)), 48);
  return message;
}
const changed = (message: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(message);
  change(copy);
  return resign(copy);
};
const SNAPSHOT_KIND = 1;
const DELTA_KIND = 2;
/** Planes and columns stand in snapshots only; of the rest a delta may have all. */
const kindFor = (type: number): number => (type === 6 || type === 7 ? SNAPSHOT_KIND : DELTA_KIND);
const withSection = (type: number, a: number, b: number, body: readonly number[], kind = kindFor(type)): Buffer => {
  const message = Buffer.concat([delta.subarray(0, 64), Buffer.from([type, a, b & 255, b >> 8, 0, 0, 0, 0, ...body])]);
  message.writeUInt32LE(body.length, 68);
  message.writeUInt8(kind, 6);
  return resign(message);
};
const le32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];
const zeros = (count: number): number[] => Array<number>(count).fill(0);

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
    expect(applyMessage(core, snapshot)).toBe(0);
  });
  const body = Buffer.from('{"model":"base","prompt":"a prompt of some strides, so that the walk looks at the planes"}');

  /** The summary must still answer. */
  function expectUsable(): void {
    expect(decide(core, body, false).destinations.length).toBeLessThanOrEqual(3);
    decide(core, Buffer.from('{"messages":[{"role":"user","content":"x"}]}'), true);
  }

  test('every truncation is refused and changes nothing', () => {
    const words = wordsIn(core, 0);
    for (const message of [snapshot, delta])
      for (let length = 0; length < message.length; length++) expect(applyMessage(core, message.subarray(0, length))).toBeGreaterThan(0);
    expect(applyMessage(core, Buffer.concat([delta, Buffer.from([0])]))).toBe(1);
    expect(wordsIn(core, 0)).toEqual(words);
  });

  test('every single flipped bit is refused and changes nothing', () => {
    const words = wordsIn(core, 0);
    for (const message of [snapshot, delta])
      for (let bit = 0; bit < message.length * 8; bit++) {
        const flipped = Buffer.from(message);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const status = applyMessage(core, flipped);
        if (status < 1 || status > POOL) expect.fail(`bit ${bit}: status ${status}`);
      }
    expect(wordsIn(core, 0)).toEqual(words);
  });

  test.each([
    ['a newer version', changed(delta, (m) => m.writeUInt16LE(FORMAT_VERSION + 1, 4)), VERSION],
    ['version 0', changed(delta, (m) => m.writeUInt16LE(0, 4)), VERSION],
    ['an unknown kind', changed(delta, (m) => m.writeUInt8(3, 6)), FOREIGN],
    ['no kind', changed(delta, (m) => m.writeUInt8(0, 6)), FOREIGN],
    ['another magic', changed(delta, (m) => m.writeUInt32LE(0x534e564c, 0)), FOREIGN],
    ['another pool', changed(delta, (m) => m.writeUInt32LE(1, 44)), POOL],
    ['a wrong checksum', Buffer.from(delta).fill(0, 48, 56), CORRUPT],
    ['section 0', withSection(0, 0, 0, []), MALFORMED],
    ['section 10', withSection(10, 0, 0, []), MALFORMED],
    ['section 255', withSection(255, 255, 65535, zeros(64)), MALFORMED],
    ['half a section head', resign(Buffer.concat([delta.subarray(0, 64), Buffer.from([9, 0, 0])])), MALFORMED],
    ['a section that reaches past the end', changed(withSection(9, 0, 0, []), (m) => m.writeUInt32LE(1, 68)), MALFORMED],
    ['a section of 4 GiB', changed(withSection(9, 0, 0, []), (m) => m.writeUInt32LE(0xffffffff, 68)), MALFORMED],
    ['short parameters', withSection(1, 0, 0, zeros(27)), MALFORMED],
    ['stride 0', withSection(1, 0, 0, zeros(28)), MALFORMED],
    ['stride 12', withSection(1, 0, 0, [16, 0, 12, ...zeros(25)]), MALFORMED],
    ['more models than bytes', withSection(2, 0, 2, [0, 0, 0, 0]), MALFORMED],
    ['a model name past the end', withSection(2, 0, 1, [0, 0, 9, 0]), MALFORMED],
    ['an endpoint past the end', withSection(3, 0, 1, [0, 0, 1, 0, 255, 255, 255, 0]), MALFORMED],
    ['an endpoint id above the limit', withSection(3, 0, 1, [0, 4, 1, 0, 0, 0, 0, 0]), MALFORMED],
    ['load of an endpoint above the limit', withSection(4, 0, 1, [0, 4, ...zeros(10)]), MALFORMED],
    ['more load than bytes', withSection(4, 0, 65535, zeros(12)), MALFORMED],
    ['half a program', withSection(5, 0, 1, zeros(13)), MALFORMED],
    ['a program with a key above the limit', withSection(5, 0, 1, [...zeros(10), 1, 0, 0, 0, 0, 2, 0, 0, 0, 0]), MALFORMED],
    ['a program with an unknown content function', withSection(5, 0, 1, [...zeros(10), 1, 0, 0, 0, 0, 0, 9, 0, 0, 0]), MALFORMED],
    ['a program prefix past the end', withSection(5, 0, 1, [...zeros(12), 1, 0]), MALFORMED],
    ['plane 32', withSection(6, 32, 0, [0, 0, 0, 4, 64, ...zeros(23)]), MALFORMED],
    ['a plane without rows', withSection(6, 1, 0, [0, 0, 0, 4, ...zeros(24)]), MALFORMED],
    ['rows that are no multiple of 64', withSection(6, 1, 0, [0, 0, 0, 4, 65, ...zeros(23)]), MALFORMED],
    ['a plane of group 16', withSection(6, 1, 0, [0, 0, 16, 4, 64, ...zeros(23)]), MALFORMED],
    ['a plane with 17 rows per key', withSection(6, 1, 0, [0, 0, 0, 17, 64, ...zeros(23)]), MALFORMED],
    ['a column outside its plane', withSection(7, 0, 0, [64, 0, 0, 0, 65, ...zeros(11)]), MALFORMED],
    ['a column whose sum overflows', withSection(7, 0, 0, [...le32(0xffffffff), ...le32(1), ...zeros(8)]), MALFORMED],
    ['more bits set than rows', withSection(7, 0, 0, [...zeros(4), ...le32(64), ...le32(65), ...zeros(4)]), MALFORMED],
    ['a raw column past the end', withSection(7, 0, 0, [...zeros(4), ...le32(64), ...zeros(8), 1, 2, 3]), MALFORMED],
    ['gaps past the end', withSection(7, 0, 0, [...zeros(4), ...le32(64), ...le32(60), 1, 0, 0, 0, 0]), MALFORMED],
    ['a gap behind the last row', withSection(7, 0, 0, [...zeros(4), ...le32(8), ...le32(1), 1, 0, 0, 0, 255, 1]), MALFORMED],
    [
      'unary without end',
      withSection(7, 0, 0, [...zeros(4), ...le32(64), ...le32(1), 1, 0, 0, 0, ...Array<number>(900).fill(255)]),
      MALFORMED,
    ],
    ['Rice parameter 32', withSection(7, 0, 0, [...zeros(4), ...le32(64), ...le32(1), 1, 32, 0, 0, 0]), MALFORMED],
    ['slot 64', withSection(7, 0, 64, zeros(16)), MALFORMED],
    ['toggles without checksum', withSection(8, 0, 0, zeros(7)), MALFORMED],
    ['half a toggle record', withSection(8, 0, 1, zeros(11)), MALFORMED],
    ['toggles past the last row', withSection(8, 0, 1, [...zeros(8), ...le32((7 << 6) | (1 << 11)), 1, 1]), MALFORMED],
    ['more toggles than bits', withSection(8, 0, 1, [...zeros(8), ...le32(0x1fffff << 11), 0]), MALFORMED],
    ['a plane in a delta', withSection(6, 2, 0, [0, 0, 0, 4, 64, ...zeros(23)], DELTA_KIND), MALFORMED],
    ['a column in a delta', withSection(7, 0, 0, zeros(16), DELTA_KIND), MALFORMED],
    ['toggles in a snapshot', withSection(8, 0, 0, zeros(8), SNAPSHOT_KIND), MALFORMED],
    ['a clear in a snapshot', withSection(9, 0, 0, [], SNAPSHOT_KIND), MALFORMED],
    ['clear of slot 64', withSection(9, 0, 64, []), MALFORMED],
    ['clear in plane 32', withSection(9, 32, 0, []), MALFORMED],
  ])('%s', (_, message, status) => {
    expect(applyMessage(core, message, MAX_BYTES)).toBe(status);
    expectUsable();
  });

  test('a plane that is not there is passed over', () => {
    for (const message of [withSection(7, 20, 0, zeros(16)), withSection(8, 20, 0, zeros(8)), withSection(9, 20, 0, [])])
      expect(applyMessage(core, message, MAX_BYTES)).toBe(0);
  });

  test('a plane of 32 GiB is left out', () => {
    const message = withSection(6, 2, 0, [0, 0, 0, 4, 0xc0, 255, 255, 255, ...zeros(20)]);
    expect(applyMessage(core, message, MAX_BYTES)).toBe(0);
    expect(core.summary_rows(2)).toBe(0);
  });

  test('sections of noise under a right checksum never trap, never read outside, and leave a summary that answers', () => {
    const noise = fc.array(fc.tuple(fc.nat(snapshot.length - 65), fc.oneof(fc.constantFrom(0, 1, 255, 128), fc.nat(255))), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.constantFrom(snapshot, delta), noise, fc.nat(40), (message, bytes, cut) => {
        const copy = Buffer.from(message.subarray(0, Math.max(64, message.length - (cut > 20 ? 0 : cut))));
        for (const [at, value] of bytes) if (64 + at < copy.length) copy[64 + at] = value;
        expect([0, MALFORMED, 19]).toContain(applyMessage(core, resign(copy), MAX_BYTES));
        expectUsable();
      }),
      { seed: SEED, numRuns: 1500 },
    );
    core.summary_reset();
    expect(applyMessage(core, snapshot)).toBe(0);
    expect(applyMessage(core, delta)).toBe(0);
    expect(checksumsIn(core, 0)).toEqual([planeDelta.checksum, planeDelta.checksum]);
  });
});
