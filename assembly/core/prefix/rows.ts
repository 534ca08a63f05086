// From a key to the rows of a Bloom matrix. Source: DESIGN section 2 (row salt), Kirsch and Mitzenmacher, "Less Hashing, Same
// Performance" (2006): row j comes from a + j·b.

import { mix64 } from './chain';

/** 64 bits from which all rows of a key in one epoch follow. */
export function rowSeed(key: u64, rowSalt: u64): u64 {
  return mix64(key ^ rowSalt);
}

/** Row `j` of `rows`. */
export function rowOf(seed: u64, j: u32, rows: u32): u32 {
  const a = <u32>seed;
  const b = <u32>(seed >> 32) | 1;
  return <u32>((<u64>(a + j * b) * <u64>rows) >> 32);
}

/** What one set bit adds to a plane's checksum. */
export function bitMix(row: u32, slot: u32): u64 {
  return mix64(((<u64>row) << 6) | <u64>slot | 0x5a00000000000000);
}
