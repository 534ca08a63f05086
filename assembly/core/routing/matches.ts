// Matches of one prompt over all endpoints of a pool. Source: DESIGN section 2 (match, match share).

import { ENDPOINTS_MAX, PLANE_KEYS, SLOTS } from '../summary/format';
import { Summary } from '../summary/summary';
import { matchedStrides, walk } from './walk';

/** A credit needs at least so many strides: a shorter one may be a false positive. */
export const STRIDES_MIN: u32 = 2;

const matches: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 2);
const shares: usize = heap.alloc((<usize>ENDPOINTS_MAX) << 3);

/** Bytes that the endpoint is believed to hold. */
export function matchBytes(id: u32, stride: u32): u64 {
  return <u64>load<u32>(matches + ((<usize>id) << 2)) * <u64>stride;
}

export function matchStrides(id: u32): u32 {
  return load<u32>(matches + ((<usize>id) << 2));
}

/** 0..1. */
export function matchShare(id: u32): f64 {
  return load<f64>(shares + ((<usize>id) << 3));
}

/** Ready endpoints of a group of 64, as a mask. */
function readyMask(summary: Summary, group: u32): u64 {
  let mask: u64 = 0;
  const first = group * <u32>SLOTS;
  for (let slot: u32 = 0; slot < <u32>SLOTS && first + slot < summary.endpointLimit; slot++) {
    if (summary.endpoint(first + slot).ready) mask |= (<u64>1) << (<u64>slot);
  }
  return mask;
}

/** Fills the tables above for the chain as it is. The tier's weight scales the share, not the match. */
export function findMatches(summary: Summary, strides: u32, promptBytes: u64, namespace: u64): void {
  const limit = <usize>summary.endpointLimit;
  memory.fill(matches, 0, limit << 2);
  memory.fill(shares, 0, limit << 3);
  if (strides < STRIDES_MIN) return;
  const block = <f64>(summary.blockTokens * 4); // a block's text is about four bytes a token
  const reusable = <f64>promptBytes - block - <f64>summary.stride;
  for (let number: u32 = 0; number < <u32>summary.planes.length; number++) {
    const matrix = unchecked(summary.planes[number]);
    if (matrix === null || matrix.kind != <u32>PLANE_KEYS) continue;
    const first = matrix.group * <u32>SLOTS;
    let mask = readyMask(summary, matrix.group);
    if (mask == 0) continue;
    walk(matrix, strides, namespace, mask);
    while (mask != 0) {
      const slot = <u32>ctz<u64>(mask);
      mask &= mask - 1;
      const match = matchedStrides(slot);
      if (match < STRIDES_MIN) continue;
      const bytes = <f64>(match * summary.stride);
      const share = reusable <= bytes ? 1.0 : bytes / reusable;
      const id = first + slot;
      const weighted = (share * <f64>matrix.weight) / 1000.0;
      if (weighted > matchShare(id)) {
        store<f64>(shares + ((<usize>id) << 3), weighted);
        store<u32>(matches + ((<usize>id) << 2), match);
      }
    }
  }
}
