/**
 * Rice-coded gaps of ascending rows, as format.ts describes them under COLUMN. Source: Rice, "Some Practical Universal Noiseless
 * Coding Techniques" (1979).
 */

const PARAMETER_MAX = 30;

/** Rice parameter that suits `count` rows spread over `span`: the mean gap's logarithm, less what the unary part carries. */
export function riceParameter(count: number, span: number): number {
  if (count === 0) return 0;
  const mean = Math.max(1, (span / count) * Math.LN2);
  return Math.min(PARAMETER_MAX, Math.max(0, Math.round(Math.log2(mean))));
}

/** Bytes that `encodeGaps` will take. */
export function gapBytes(rows: Uint32Array, first: number, parameter: number): number {
  let bits = 0;
  let previous = first - 1;
  for (const row of rows) {
    bits += ((row - previous - 1) >>> parameter) + 1 + parameter;
    previous = row;
  }
  return (bits + 7) >>> 3;
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
