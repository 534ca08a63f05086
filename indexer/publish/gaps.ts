/**
 * Rice-coded gaps of ascending rows, as format.ts describes them under COLUMN. Source: Rice, "Some Practical Universal Noiseless
 * Coding Techniques" (1979).
 */

const PARAMETER_MAX = 30;
const FEW_ROWS = 64;

/**
 * The Rice parameter that codes these rows, counted from `first`, shortest: near the logarithm of the mean gap, less what the unary
 * part carries. With few rows the gaps are far from their mean, so the neighbours are tried too.
 */
export function riceParameter(rows: Uint32Array, first: number, span: number): number {
  if (rows.length === 0) return 0;
  const guess = Math.round(Math.log2(Math.max(1, (span / rows.length) * Math.LN2)));
  let best = Math.min(PARAMETER_MAX, guess);
  if (rows.length > FEW_ROWS) return best;
  for (let parameter = Math.max(0, guess - 2); parameter <= Math.min(PARAMETER_MAX, guess + 2); parameter++) {
    if (gapBits(rows, first, parameter) < gapBits(rows, first, best)) best = parameter;
  }
  return best;
}

/** Bytes that `encodeGaps` will take. */
export function gapBytes(rows: Uint32Array, first: number, parameter: number): number {
  return (gapBits(rows, first, parameter) + 7) >>> 3;
}

function gapBits(rows: Uint32Array, first: number, parameter: number): number {
  let bits = 0;
  let previous = first - 1;
  for (const row of rows) {
    bits += ((row - previous - 1) >>> parameter) + 1 + parameter;
    previous = row;
  }
  return bits;
}

/** Appends the gaps to `target` at `at`; returns the offset behind them. `target` must be zero there. */
export function encodeGaps(rows: Uint32Array, first: number, parameter: number, target: Uint8Array, at: number): number {
  let bit = at * 8;
  let previous = first - 1;
  for (const row of rows) {
    const gap = row - previous - 1;
    previous = row;
    for (let ones = gap >>> parameter; ones > 0; ones--, bit++) target[bit >>> 3]! |= 1 << (bit & 7);
    bit++; // the zero that ends the quotient
    for (let i = 0; i < parameter; i++, bit++) if ((gap >>> i) & 1) target[bit >>> 3]! |= 1 << (bit & 7);
  }
  return (bit + 7) >>> 3;
}
