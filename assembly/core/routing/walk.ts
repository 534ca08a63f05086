// How far each endpoint holds a prompt. Residency is closed under prefixes (a block leaves before its parent, section 4.4), so
// probing every 16th key finds roughly where an endpoint drops out; the interval before it says where exactly, and one more
// interval that is wholly true shows that the probe before was no false positive. Source: DESIGN section 5.5.

import { keyOf } from '../prefix/chain';
import { stateAt } from '../prefix/prompt-chain';
import { rowOf, rowSeed } from '../prefix/rows';
import { SLOTS } from '../summary/format';
import { Matrix } from '../summary/matrix';

const INTERVAL: i32 = 16;

const matched: usize = memory.data(<i32>SLOTS * 4);

/** Strides that the slot is believed to hold, after `walk`. */
export function matchedStrides(slot: u32): u32 {
  return load<u32>(matched + ((<usize>slot) << 2));
}

/** Endpoints among `mask` that may hold stride `index`. */
function holders(matrix: Matrix, index: i32, namespace: u64, mask: u64): u64 {
  const seed = rowSeed(keyOf(stateAt(index), namespace), matrix.salt);
  const rows = matrix.rows;
  const hashes = matrix.hashes;
  let word = mask;
  for (let j: u32 = 0; j < hashes; j++) {
    word &= matrix.word(rowOf(seed, j, rows));
    if (word == 0) break;
  }
  return word;
}

function record(slots: u64, strides: i32): void {
  while (slots != 0) {
    store<u32>(matched + ((<usize>ctz<u64>(slots)) << 2), <u32>strides);
    slots &= slots - 1;
  }
}

/** Results of a stretch: those of `mask` that lack a key in [from, to) get the first such index as their match; the rest return. */
function stretch(matrix: Matrix, from: i32, to: i32, namespace: u64, mask: u64): u64 {
  for (let i = from; i < to && mask != 0; i++) {
    const next = holders(matrix, i, namespace, mask);
    if (next != mask) record(mask & ~next, i);
    mask = next;
  }
  return mask;
}

/** The endpoints of `mask` hold the key before `low` (perhaps falsely) and lack the one at `high`, or `high` is the end. */
function resolve(matrix: Matrix, low: i32, high: i32, namespace: u64, mask: u64): void {
  record(stretch(matrix, low, high, namespace, mask), high);
  while (low > 0 && mask != 0) {
    const from = max<i32>(0, low - INTERVAL);
    mask &= ~stretch(matrix, from, low, namespace, mask);
    low = from;
  }
}

/** Matches of the endpoints of `mask` for the first `strides` keys of the chain. */
export function walk(matrix: Matrix, strides: u32, namespace: u64, mask: u64): void {
  memory.fill(matched, 0, <usize>SLOTS * 4);
  const count = <i32>strides;
  let low = 0;
  let alive = mask;
  while (alive != 0 && low < count) {
    const probe = min<i32>(low + INTERVAL, count) - 1;
    const next = holders(matrix, probe, namespace, alive);
    const dropped = alive & ~next;
    if (dropped != 0) resolve(matrix, low, probe, namespace, dropped);
    alive = next;
    if (probe + 1 == count && alive != 0) resolve(matrix, low, count, namespace, alive);
    low = probe + 1;
  }
}

/** The same by looking at every key: the oracle of tests. */
export function walkLinear(matrix: Matrix, strides: u32, namespace: u64, mask: u64): void {
  memory.fill(matched, 0, <usize>SLOTS * 4);
  record(stretch(matrix, 0, <i32>strides, namespace, mask), <i32>strides);
}
