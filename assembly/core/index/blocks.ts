// Blocks of one slot: engine hash → chain state and the keys that the block completed. Source: DESIGN section 4.4.
//
//   byte  0      8      16         23       24     28       32          36     44         46         47
//        ┌──────┬──────┬──────────┬────────┬──────┬────────┬───────────┬──────┬──────────┬──────────┬──────────┐
//        │hash  │acc   │partial   │copies  │next  │parent  │namespace  │key   │phase     │children  │keys      │
//        │u64   │u64   │7 bytes   │u8      │u32   │u32     │u32        │u64   │u16       │u8        │u8        │
//        └──────┴──────┴──────────┴────────┴──────┴────────┴───────────┴──────┴──────────┴──────────┴──────────┘
//
// acc, partial: the chain at the block's end: state over whole words, and the bytes behind them. phase: end offset mod stride.
// copies: low 7 bits count (127 stays), high bit: unreachable, an ancestor left. 0 copies: gone, kept while children point here.
// key: with one key the key itself, with more the number of the first record of a list of further keys. children 255 stays.

import { giveNamespace } from './namespaces';
import { addKey, freeCounters, removeKey, Slot, touchKey } from './plane';

export const AT_ACC: usize = 8;
export const AT_PARTIAL: usize = 16;
const AT_COPIES: usize = 23;
const AT_NEXT: usize = 24;
const AT_PARENT: usize = 28;
export const AT_NAMESPACE: usize = 32;
const AT_KEY: usize = 36;
export const AT_PHASE: usize = 44;
const AT_CHILDREN: usize = 46;
const AT_KEYS: usize = 47;

const COPIES_MASK: u8 = 0x7f;
const UNREACHABLE: u8 = 0x80;
const CHILDREN_STICKY: u8 = 0xff;
/** Most keys that one block may complete. */
export const KEYS_MAX: u32 = 255;

// Engine hashes are already uniform: their low bits choose the bucket. SGLang and others may differ, hence the multiply.
function bucketOf(slot: Slot, hash: u64): usize {
  const spread = (hash * 0x9e3779b97f4a7c15) >> 32;
  return slot.heads + ((<usize>(spread & <u64>(slot.buckets - 1))) << 2);
}

/** Number of the block with this hash, also of one kept for its children only; 0 if there is none. */
export function findBlock(slot: Slot, hash: u64): u32 {
  if (slot.buckets == 0) return 0;
  let number = load<u32>(bucketOf(slot, hash));
  while (number != 0) {
    const block = slot.blocks.at(number);
    if (load<u64>(block) == hash) return number;
    number = load<u32>(block, AT_NEXT);
  }
  return 0;
}

/** Where reads end up that are only for the caches' sake, so that no compiler takes them away. */
const sink: usize = memory.data(8);

/** Reads everything that looking up, adding or removing these blocks will look at, the misses overlapping (`touchKey`). */
export function touchBlocks(slot: Slot, hashes: usize, count: u32): void {
  if (slot.buckets == 0) return;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += load<u32>(bucketOf(slot, load<u64>(hashes + ((<usize>i) << 3))));
  for (let i: u32 = 0; i < count; i++) {
    const number = load<u32>(bucketOf(slot, load<u64>(hashes + ((<usize>i) << 3))));
    if (number == 0) continue;
    const block = slot.blocks.at(number);
    sum += load<u32>(block) + <u32>load<u8>(block, AT_KEYS); // a block may lie on two cache lines
  }
  for (let i: u32 = 0; i < count; i++) {
    const number = findBlock(slot, load<u64>(hashes + ((<usize>i) << 3)));
    if (number == 0) continue;
    const block = slot.blocks.at(number);
    if (load<u8>(block, AT_KEYS) == 1) sum += touchKey(slot, load<u64>(block, AT_KEY));
  }
  store<u32>(sink, sum);
}

export function isResident(slot: Slot, number: u32): bool {
  return (load<u8>(slot.blocks.at(number), AT_COPIES) & COPIES_MASK) != 0;
}

function growBuckets(slot: Slot): void {
  const oldHeads = slot.heads;
  const oldBuckets = slot.buckets;
  const buckets: u32 = oldBuckets == 0 ? 64 : oldBuckets * 2;
  slot.heads = heap.alloc((<usize>buckets) << 2);
  slot.buckets = buckets;
  memory.fill(slot.heads, 0, (<usize>buckets) << 2);
  for (let i: u32 = 0; i < oldBuckets; i++) {
    let number = load<u32>(oldHeads + ((<usize>i) << 2));
    while (number != 0) {
      const block = slot.blocks.at(number);
      const next = load<u32>(block, AT_NEXT);
      const head = bucketOf(slot, load<u64>(block));
      store<u32>(block, load<u32>(head), AT_NEXT);
      store<u32>(head, number);
      number = next;
    }
  }
  if (oldHeads != 0) heap.free(oldHeads);
}

/**
 * A new block in the table, one copy, no keys yet. The caller stores acc, partial and phase; `namespace` passes into its hands.
 * Its keys come in by `giveKey`. Returns its number.
 */
export function putBlock(slot: Slot, hash: u64, parent: u32, namespace: u32): u32 {
  if (slot.blocks.used >= slot.buckets) growBuckets(slot);
  const number = slot.blocks.take();
  const block = slot.blocks.at(number);
  const head = bucketOf(slot, hash);
  store<u64>(block, hash);
  store<u64>(block, 0, AT_PARTIAL);
  store<u32>(block, load<u32>(head), AT_NEXT);
  store<u32>(head, number);
  store<u32>(block, parent, AT_PARENT);
  store<u32>(block, namespace, AT_NAMESPACE);
  store<u8>(block, 0, AT_CHILDREN);
  store<u8>(block, 0, AT_KEYS);
  let copies: u8 = 1;
  if (parent != 0) {
    const above = slot.blocks.at(parent);
    const children = load<u8>(above, AT_CHILDREN);
    if (children != CHILDREN_STICKY) store<u8>(above, children + 1, AT_CHILDREN);
    const state = load<u8>(above, AT_COPIES);
    if ((state & COPIES_MASK) == 0 || (state & UNREACHABLE) != 0) copies |= UNREACHABLE;
  }
  store<u8>(block, copies, AT_COPIES);
  slot.resident++;
  return number;
}

/** Stores the chain state at a block's end. partial: at most 7 bytes. */
export function setChain(slot: Slot, number: u32, acc: u64, partial: u64, phase: u32): void {
  const block = slot.blocks.at(number);
  const copies = load<u8>(block, AT_COPIES);
  store<u64>(block, acc, AT_ACC);
  store<u64>(block, partial | ((<u64>copies) << 56), AT_PARTIAL);
  store<u16>(block, <u16>phase, AT_PHASE);
}

/** Keys of the event being stored that are still to be counted. */
const GIVEN_KEYS_MAX: u32 = 64;
const given: usize = memory.data(64 * 8);
let givenKeys: u32 = 0;

/** Records that the block completes this key; it counts, by `countGivenKeys`, if the block can be reached. */
export function giveKey(slot: Slot, number: u32, key: u64): void {
  const block = slot.blocks.at(number);
  const keys = load<u8>(block, AT_KEYS);
  if (keys == 0) store<u64>(block, key, AT_KEY);
  else {
    if (keys == 1) {
      const first = slot.further.take();
      const record = slot.further.at(first);
      store<u64>(record, load<u64>(block, AT_KEY));
      store<u32>(record, 0, 8);
      store<u64>(block, <u64>first, AT_KEY);
    }
    const another = slot.further.take();
    const record = slot.further.at(another);
    store<u64>(record, key);
    store<u32>(record, load<u32>(block, AT_KEY), 8);
    store<u64>(block, <u64>another, AT_KEY);
  }
  store<u8>(block, keys + 1, AT_KEYS);
  if ((load<u8>(block, AT_COPIES) & UNREACHABLE) != 0) return;
  if (givenKeys == GIVEN_KEYS_MAX) countGivenKeys(slot);
  store<u64>(given + ((<usize>givenKeys) << 3), key);
  givenKeys++;
}

/** Counts the keys given since the last call; call before anything else happens to the slot. */
export function countGivenKeys(slot: Slot): void {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < givenKeys; i++) sum += touchKey(slot, load<u64>(given + ((<usize>i) << 3)));
  store<u32>(sink, sum);
  for (let i: u32 = 0; i < givenKeys; i++) addKey(slot, load<u64>(given + ((<usize>i) << 3)));
  givenKeys = 0;
}

/** Counts the keys of a block in or out of the exact table. */
function countKeys(slot: Slot, block: usize, present: bool): void {
  const keys = <u32>load<u8>(block, AT_KEYS);
  if (keys == 0) return;
  if (keys == 1) {
    const key = load<u64>(block, AT_KEY);
    if (present) addKey(slot, key);
    else removeKey(slot, key);
    return;
  }
  let number = load<u32>(block, AT_KEY);
  while (number != 0) {
    const record = slot.further.at(number);
    const key = load<u64>(record);
    if (present) addKey(slot, key);
    else removeKey(slot, key);
    number = load<u32>(record, 8);
  }
}

/** One more copy of a block that is in the table; a block that was gone comes back with its old chain state. */
export function addCopy(slot: Slot, number: u32): void {
  const block = slot.blocks.at(number);
  const state = load<u8>(block, AT_COPIES);
  if ((state & COPIES_MASK) == COPIES_MASK) return;
  store<u8>(block, state + 1, AT_COPIES);
  if ((state & COPIES_MASK) != 0) return;
  slot.resident++;
  if ((state & UNREACHABLE) == 0) countKeys(slot, block, true);
  slot.sweep = true;
}

/** One copy less; returns false when the slot has no such block. */
export function removeCopy(slot: Slot, hash: u64): bool {
  const number = findBlock(slot, hash);
  if (number == 0) return false;
  const block = slot.blocks.at(number);
  const state = load<u8>(block, AT_COPIES);
  const copies = state & COPIES_MASK;
  if (copies == 0) return false;
  if (copies > 1) {
    if (copies != COPIES_MASK) store<u8>(block, state - 1, AT_COPIES);
    return true;
  }
  store<u8>(block, state - 1, AT_COPIES);
  slot.resident--;
  if ((state & UNREACHABLE) == 0) countKeys(slot, block, false);
  if (load<u8>(block, AT_CHILDREN) != 0) slot.sweep = true;
  else drop(slot, number);
  return true;
}

/** Frees a block without copies and children, and then its ancestors as far as they only waited for it. */
function drop(slot: Slot, number: u32): void {
  while (number != 0) {
    const block = slot.blocks.at(number);
    const parent = load<u32>(block, AT_PARENT);
    unlink(slot, number, block);
    releaseKeys(slot, block);
    giveNamespace(load<u32>(block, AT_NAMESPACE));
    slot.blocks.give(number);
    if (parent == 0) return;
    const above = slot.blocks.at(parent);
    const children = load<u8>(above, AT_CHILDREN);
    if (children == CHILDREN_STICKY) return;
    store<u8>(above, children - 1, AT_CHILDREN);
    if (children != 1 || (load<u8>(above, AT_COPIES) & COPIES_MASK) != 0) return;
    number = parent;
  }
}

function unlink(slot: Slot, number: u32, block: usize): void {
  let link = bucketOf(slot, load<u64>(block));
  for (;;) {
    const current = load<u32>(link);
    if (current == number) {
      store<u32>(link, load<u32>(block, AT_NEXT));
      return;
    }
    link = slot.blocks.at(current) + AT_NEXT;
  }
}

function releaseKeys(slot: Slot, block: usize): void {
  if (load<u8>(block, AT_KEYS) < 2) return;
  let number = load<u32>(block, AT_KEY);
  while (number != 0) {
    const next = load<u32>(slot.further.at(number), 8);
    slot.further.give(number);
    number = next;
  }
}

/**
 * Makes reachability true again after parents left before their children or came back: a block counts only when all its
 * ancestors are there. Rare (0 of 16,178 recorded removals): passes over all blocks until nothing changes.
 */
export function sweepReachability(slot: Slot): void {
  slot.sweep = false;
  let changed = true;
  while (changed) {
    changed = false;
    for (let i: u32 = 0; i < slot.buckets; i++) {
      let number = load<u32>(slot.heads + ((<usize>i) << 2));
      while (number != 0) {
        const block = slot.blocks.at(number);
        const state = load<u8>(block, AT_COPIES);
        const parent = load<u32>(block, AT_PARENT);
        const above: u8 = parent == 0 ? 1 : load<u8>(slot.blocks.at(parent), AT_COPIES);
        const reachable = (above & COPIES_MASK) != 0 && (above & UNREACHABLE) == 0;
        if (reachable != ((state & UNREACHABLE) == 0)) {
          store<u8>(block, state ^ UNREACHABLE, AT_COPIES);
          if ((state & COPIES_MASK) != 0) countKeys(slot, block, reachable);
          changed = true;
        }
        number = load<u32>(block, AT_NEXT);
      }
    }
  }
}

/** Forgets everything that the slot holds. */
export function clearSlot(slot: Slot): void {
  for (let i: u32 = 0; i < slot.buckets; i++) {
    let number = load<u32>(slot.heads + ((<usize>i) << 2));
    while (number != 0) {
      const block = slot.blocks.at(number);
      giveNamespace(load<u32>(block, AT_NAMESPACE));
      number = load<u32>(block, AT_NEXT);
    }
  }
  if (slot.heads != 0) heap.free(slot.heads);
  slot.heads = 0;
  slot.buckets = 0;
  slot.resident = 0;
  slot.sweep = false;
  slot.blocks.clear();
  slot.further.clear();
  slot.keys.clear();
  freeCounters(slot);
  slot.dirty = true;
  slot.cleared = true;
}
