// Reads the bit fields of COLUMN and TOGGLES sections. Bounded: a read past the end sets `overrun`.

let at: usize = 0;
let end: usize = 0;
let buffer: u64 = 0;
let available: u64 = 0;
export let overrun: bool = false;

export function openBits(ptr: usize, limit: usize): void {
  at = ptr;
  end = limit;
  buffer = 0;
  available = 0;
  overrun = false;
}

function refill(): void {
  while (available <= 56) {
    if (at >= end) return;
    buffer |= (<u64>load<u8>(at)) << available;
    at++;
    available += 8;
  }
}

/** One Rice-coded number. */
export function readGap(parameter: u64): u32 {
  let quotient: u64 = 0;
  for (;;) {
    refill();
    if (available == 0) {
      overrun = true;
      return 0;
    }
    const ones = ctz<u64>(~buffer);
    if (ones < available) {
      quotient += ones;
      buffer = ones + 1 < 64 ? buffer >> (ones + 1) : 0;
      available -= ones + 1;
      break;
    }
    quotient += available;
    buffer = 0;
    available = 0;
  }
  if (parameter == 0) return <u32>min<u64>(quotient, 0xffffffff);
  refill();
  if (available < parameter) {
    overrun = true;
    return 0;
  }
  const low = buffer & (((<u64>1) << parameter) - 1);
  buffer >>= parameter;
  available -= parameter;
  const value = (quotient << parameter) | low;
  return value > 0xffffffff ? 0xffffffff : <u32>value;
}

/** Position behind the last field read: fields end on a byte border. */
export function bitsEnd(): usize {
  return at - <usize>(available >> 3);
}
