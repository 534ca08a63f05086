// Rows of a key, the matrix as a list of words, its checksum, and the linear walk. Twin of assembly/core/prefix/rows.ts and
// summary/matrix.ts, from their text.
import { mix64 } from './chain.js';

/** Rows of a key, in order of j; the same row may come twice. */
export function rowsOf(key: bigint, rowSalt: bigint, rows: number, hashes: number): number[] {
  const seed = mix64(key ^ rowSalt);
  const a = seed & 0xffffffffn;
  const b = (seed >> 32n) | 1n;
  return Array.from({ length: hashes }, (_, j) => Number((BigInt.asUintN(32, a + BigInt(j) * b) * BigInt(rows)) >> 32n));
}

export const bitMix = (row: number, slot: number): bigint => mix64((BigInt(row) << 6n) | BigInt(slot) | 0x5a00000000000000n);

/** Bits of a plane: for each slot the set of its rows. */
export type Bits = Map<number, Set<number>>;

/** Bits of the slots' keys. */
export function bloomOf(keys: ReadonlyMap<number, Iterable<bigint>>, rowSalt: bigint, rows: number, hashes: number): Bits {
  const bits: Bits = new Map();
  for (const [slot, own] of keys) {
    const set = new Set<number>();
    for (const key of own) for (const row of rowsOf(key, rowSalt, rows, hashes)) set.add(row);
    bits.set(slot, set);
  }
  return bits;
}

export function checksumOf(bits: Bits): bigint {
  let sum = 0n;
  for (const [slot, rows] of bits) for (const row of rows) sum ^= bitMix(row, slot);
  return sum;
}

/** Row words: bit s of word r is row r of slot s. */
export function wordsOf(bits: Bits, rows: number): BigUint64Array {
  const words = new BigUint64Array(rows);
  for (const [slot, set] of bits) for (const row of set) words[row]! |= 1n << BigInt(slot);
  return words;
}

/** One slot's bits as a column: lowest row in the lowest bit of the first byte. */
export function columnOf(set: Iterable<number>, rows: number): Uint8Array {
  const column = new Uint8Array(rows / 8);
  for (const row of set) column[row >> 3]! |= 1 << (row & 7);
  return column;
}

/** Number of leading keys whose rows are all set. */
export function walkLinear(set: ReadonlySet<number>, keys: readonly bigint[], rowSalt: bigint, rows: number, hashes: number): number {
  const missing = keys.findIndex((key) => !rowsOf(key, rowSalt, rows, hashes).every((row) => set.has(row)));
  return missing < 0 ? keys.length : missing;
}
