// Parameters and slots of this core instance: one plane of up to 64 endpoints of one tier.

import { Records } from '../bytes/records';
import { mix64, namespaceOf } from '../prefix/chain';
import { rowOf, rowSeed } from '../prefix/rows';
import { SLOTS } from '../summary/format';
import { counterBytes, decrement, increment, touch } from './counters';
import { KeyTable } from './keys';

export let stride: u32 = 64;
export let chainStart: u64 = 0;
export let namespaceSeed: u64 = 0;
/** Namespace of plain requests: no adapter, no salt. */
export let plainNamespace: u64 = 0;
export let rows: u32 = 0;
export let rowSalt: u64 = 0;
export let hashes: u32 = 4;
export let bitsPerKey: u32 = 10;
/** Key transitions (absent ↔ present) since the last publication. */
export let changedKeys: u32 = 0;

/** Bytes of a block record; layout in blocks.ts. */
export const BLOCK_BYTES: u32 = 48;
/** Bytes of a record of a further key of a block: u64 key, u32 next. */
export const FURTHER_BYTES: u32 = 12;

@unmanaged
export class Slot {
  blocks: Records;
  further: Records;
  keys: KeyTable;
  /** Bucket heads of the block table, u32 each. */
  heads: usize;
  buckets: u32;
  /** Blocks in the table, parents kept for their children's sake not counted. */
  resident: u32;
  /** Bloom counters; 0 while the slot holds no key. */
  counters: usize;
  /** Bits last published, 0 when there never were any, and their checksum. */
  published: usize;
  checksum: u64;
  /** Bits may differ from the published ones. */
  dirty: bool;
  /** Cleared since the last publication: the published bits are void. */
  cleared: bool;
  /** A parent left before its children, or came back: look who is reachable at the end of the batch. */
  sweep: bool;
}

const slots = new StaticArray<usize>(SLOTS);

/** The slot, made on first use. */
export function slotAt(index: u32): Slot {
  const existing = slots[index];
  if (existing != 0) return changetype<Slot>(existing);
  const slot = changetype<Slot>(heap.alloc(offsetof<Slot>()));
  slot.blocks = Records.create(BLOCK_BYTES);
  slot.further = Records.create(FURTHER_BYTES);
  slot.keys = KeyTable.create();
  slot.heads = 0;
  slot.buckets = 0;
  slot.resident = 0;
  slot.counters = 0;
  slot.published = 0;
  slot.checksum = 0;
  slot.dirty = false;
  slot.cleared = false;
  slot.sweep = false;
  slots[index] = changetype<usize>(slot);
  return slot;
}

/** Whether the slot was ever used. */
export function slotExists(index: u32): bool {
  return slots[index] != 0;
}

export function configure(strideBytes: u32, chainSeed: u64, seed: u64, keyBits: u32, rowsPerKey: u32): void {
  stride = strideBytes;
  chainStart = mix64(chainSeed);
  namespaceSeed = seed;
  plainNamespace = namespaceOf(seed, 0, 0);
  bitsPerKey = keyBits;
  hashes = rowsPerKey;
}

/** Rows for `keys` keys per slot: a multiple of 64. */
export function rowsFor(keys: u32): u32 {
  return (max<u32>(keys, 256) * bitsPerKey + 63) & ~63;
}

export function zeroed(bytes: usize): usize {
  const ptr = heap.alloc(bytes);
  memory.fill(ptr, 0, bytes);
  return ptr;
}

export function freeCounters(slot: Slot): void {
  if (slot.counters != 0) heap.free(slot.counters);
  slot.counters = 0;
}

/** New number of rows and new salt: every slot's counters are made again from its exact keys, nothing is forgotten. */
export function rebuild(newRows: u32, newSalt: u64): void {
  for (let i = 0; i < SLOTS; i++) {
    if (slots[i] == 0) continue;
    const slot = changetype<Slot>(slots[i]);
    freeCounters(slot);
    if (slot.published != 0) heap.free(slot.published);
    slot.published = 0;
    slot.checksum = 0;
    slot.cleared = false;
  }
  rows = newRows;
  rowSalt = newSalt;
  for (let i = 0; i < SLOTS; i++) {
    if (slots[i] == 0) continue;
    const slot = changetype<Slot>(slots[i]);
    const table = slot.keys;
    if (table.used == 0) continue;
    slot.counters = zeroed(counterBytes(rows));
    slot.dirty = true;
    for (let place: u32 = 0; place < table.capacity; place++) if (table.occupied(place)) countUp(slot.counters, table.keyAt(place));
  }
}

function countUp(counters: usize, key: u64): void {
  const seed = rowSeed(key, rowSalt);
  for (let j: u32 = 0; j < hashes; j++) increment(counters, rowOf(seed, j, rows));
}

/**
 * Reads everything that `addKey` and `removeKey` will look at. A slot's tables are larger than the caches; the misses of several keys
 * touched one after the other overlap, those of keys counted one after the other do not. Returns a number that means nothing.
 */
export function touchKey(slot: Slot, key: u64): u32 {
  let sum = slot.keys.touch(key);
  if (slot.counters == 0) return sum;
  const seed = rowSeed(key, rowSalt);
  for (let j: u32 = 0; j < hashes; j++) sum += touch(slot.counters, rowOf(seed, j, rows));
  return sum;
}

/** One more block of the slot completes this key. */
export function addKey(slot: Slot, key: u64): void {
  if (!slot.keys.add(key)) return;
  changedKeys++;
  if (slot.counters == 0) slot.counters = zeroed(counterBytes(rows));
  slot.dirty = true;
  countUp(slot.counters, key);
}

/** One block less completes this key. */
export function removeKey(slot: Slot, key: u64): void {
  if (!slot.keys.remove(key)) return;
  changedKeys++;
  slot.dirty = true;
  const seed = rowSeed(key, rowSalt);
  for (let j: u32 = 0; j < hashes; j++) decrement(slot.counters, rowOf(seed, j, rows));
}

export function takeChangedKeys(): u32 {
  const changed = changedKeys;
  changedKeys = 0;
  return changed;
}

/** Keys of the fullest slot. */
export function fullest(): u32 {
  let most: u32 = 0;
  for (let i = 0; i < SLOTS; i++) if (slots[i] != 0) most = max<u32>(most, changetype<Slot>(slots[i]).keys.used);
  return most;
}
