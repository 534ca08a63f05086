// Planes of a summary made from bits, for the writer; and what an instance holds of them.
import fc from 'fast-check';
import type { PlaneState } from '../../indexer/index/plane.js';
import type { Core } from './load.js';
import { randomFrom } from './programs.js';
import { type Bits, checksumOf, columnOf, wordsOf } from './reference/bloom.js';

export interface PlaneModel {
  readonly plane: number;
  readonly group: number;
  readonly hashes: number;
  readonly rows: number;
  readonly rowSalt: bigint;
  readonly bits: Bits;
}

/** checksum: of the bits unless given. */
export const stateOf = (model: PlaneModel, checksum = checksumOf(model.bits)): PlaneState => ({
  ...model,
  kind: 0,
  tier: 0,
  weight: 1000,
  checksum,
  column: (slot) => (model.bits.has(slot) ? columnOf(model.bits.get(slot)!, model.rows) : undefined),
});

export const FILLINGS = ['none', 'empty', 'one', 'sparse', 'half', 'dense', 'full', 'ends'] as const;
export type Filling = (typeof FILLINGS)[number];

/** Rows of one column. */
export function fill(filling: Filling, rows: number, seed: number): Set<number> | undefined {
  const random = randomFrom(seed);
  const shares: Partial<Record<Filling, number>> = { sparse: 1, half: 50, dense: 97, full: 100 };
  if (filling === 'none') return undefined;
  if (filling === 'one') return new Set([random(rows)]);
  if (filling === 'ends') return new Set([0, rows - 1]);
  const set = new Set<number>();
  const share = shares[filling];
  if (share) for (let row = 0; row < rows; row++) if (random(100) < share) set.add(row);
  return set;
}

/** A plane with columns of different fillings in some of its slots. */
export const planeModel = (plane: number, rows: fc.Arbitrary<number>): fc.Arbitrary<PlaneModel> =>
  fc
    .record({
      rows,
      group: fc.nat(15),
      hashes: fc.integer({ min: 1, max: 16 }),
      rowSalt: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      columns: fc.array(fc.tuple(fc.nat(63), fc.constantFrom(...FILLINGS), fc.nat(1e6)), { maxLength: 10 }),
    })
    .map(({ columns, ...rest }) => {
      const bits: Bits = new Map();
      for (const [slot, filling, seed] of columns) {
        const set = fill(filling, rest.rows, seed);
        if (set) bits.set(slot, set);
      }
      return { plane, ...rest, bits };
    });

/** All row words of a plane as the instance holds it. */
export const wordsIn = (core: Core, plane: number): BigUint64Array => {
  const words = new BigUint64Array(core.summary_rows(plane));
  for (let row = 0; row < words.length; row++) words[row] = core.summary_word(plane, row);
  return words;
};

export const wordsOfModel = (model: PlaneModel): BigUint64Array => wordsOf(model.bits, model.rows);

/** Checksum that the instance keeps, and the one of its bits. */
export const checksumsIn = (core: Core, plane: number): [bigint, bigint] => [
  BigInt.asUintN(64, core.summary_checksum(plane, 0)),
  BigInt.asUintN(64, core.summary_checksum(plane, 1)),
];
