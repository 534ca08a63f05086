// Bloom counters of one slot: 4 bits a row, so that 32 rows make one SIMD test.
//
//   16 bytes ┌──────────────────────────────────────────┐
//            │ byte i: low nibble  = row 32·g + i       │   i = 0..15, g = number of the 16 bytes
//            │         high nibble = row 32·g + 16 + i  │
//            └──────────────────────────────────────────┘
// A counter that reaches 15 stays there until the slot is cleared or rebuilt: it may then show a bit too long, never too short.

const STICKY: u32 = 15;

/** Bytes of the counters of `rows` rows (a multiple of 64). */
export function counterBytes(rows: u32): usize {
  return <usize>(rows >> 1);
}

function place(counters: usize, row: u32): usize {
  return counters + <usize>(((row >> 5) << 4) | (row & 15));
}

/** Reads the row's counter, for the caches' sake. */
export function touch(counters: usize, row: u32): u32 {
  return load<u8>(place(counters, row));
}

export function increment(counters: usize, row: u32): void {
  const ptr = place(counters, row);
  const shift = (row & 16) >> 2;
  const byte = <u32>load<u8>(ptr);
  if (((byte >> shift) & 15) != STICKY) store<u8>(ptr, <u8>(byte + (1 << shift)));
}

export function decrement(counters: usize, row: u32): void {
  const ptr = place(counters, row);
  const shift = (row & 16) >> 2;
  const byte = <u32>load<u8>(ptr);
  const count = (byte >> shift) & 15;
  if (count != STICKY && count != 0) store<u8>(ptr, <u8>(byte - (1 << shift)));
}

/** Bloom bits of rows 32·group … + 31. */
export function bitsOf32(counters: usize, group: u32): u32 {
  const v = v128.load(counters + ((<usize>group) << 4));
  const zero = i8x16.splat(0);
  const low = i8x16.bitmask(i8x16.ne(v128.and(v, i8x16.splat(0x0f)), zero));
  const high = i8x16.bitmask(i8x16.ne(v128.and(v, i8x16.splat(<i8>0xf0)), zero));
  return <u32>low | ((<u32>high) << 16);
}
