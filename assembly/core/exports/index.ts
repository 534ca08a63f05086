// Exports of the index. Lengths in bytes; addresses stay valid until the next call that may allocate.

import { applyBatch } from '../index/batch';
import { clearSlot } from '../index/blocks';
import { countersPtr } from '../index/counts';
import * as plane from '../index/plane';
import * as publish from '../index/publish';
import * as tokens from '../index/tokens';
import { hashBytes, namespaceOf, textHash } from '../prefix/chain';

export function allocate(bytes: usize): usize {
  return heap.alloc(bytes);
}

export function free(ptr: usize): void {
  heap.free(ptr);
}

export function hash_bytes(seed: u64, ptr: usize, length: usize): u64 {
  return hashBytes(seed, ptr, length);
}

export function namespace_of(seed: u64, adapter: u64, salt: u64): u64 {
  return namespaceOf(seed, adapter, salt);
}

/** Hash of an adapter's name or a salt, as `namespace_of` takes it. */
export function text_hash(ptr: usize, length: usize): u64 {
  return textHash(ptr, length);
}

export function configure(stride: u32, chainSeed: u64, namespaceSeed: u64, bitsPerKey: u32, hashes: u32): void {
  plane.configure(stride, chainSeed, namespaceSeed, bitsPerKey, hashes);
}

/** Rows for so many keys per slot. */
export function rows_for(keys: u32): u32 {
  return plane.rowsFor(keys);
}

export function rebuild(rows: u32, rowSalt: u64): void {
  plane.rebuild(rows, rowSalt);
}

/** Address of `count` table entries (tokens.ts) to be filled in. */
export function reserve_tokens(count: u32, longBytes: u32): usize {
  return tokens.reserveTokens(count, longBytes);
}

export function long_token_bytes(): usize {
  return tokens.longTokenBytes();
}

export function set_longest_token(bytes: u32): void {
  tokens.setLongestToken(bytes);
}

/** 1: a batch, counts at `counters`. 0: not a batch, nothing changed. */
export function apply_batch(slot: u32, ptr: usize, length: usize): bool {
  return applyBatch(plane.slotAt(slot), ptr, length);
}

export function counters(): usize {
  return countersPtr();
}

export function clear_slot(slot: u32): void {
  clearSlot(plane.slotAt(slot));
}

export function resident_blocks(slot: u32): u32 {
  return plane.slotExists(slot) ? plane.slotAt(slot).resident : 0;
}

export function resident_keys(slot: u32): u32 {
  return plane.slotExists(slot) ? plane.slotAt(slot).keys.used : 0;
}

export function fullest_keys(): u32 {
  return plane.fullest();
}

export function has_key(slot: u32, key: u64): bool {
  return plane.slotExists(slot) && plane.slotAt(slot).keys.has(key);
}

export function take_changed_keys(): u32 {
  return plane.takeChangedKeys();
}

export function publish_clear(slot: u32): bool {
  return publish.publishClear(slot);
}

export function publish_slot(slot: u32): u32 {
  return publish.publishSlot(slot);
}

export function flipped_rows(): usize {
  return publish.flippedPtr();
}

export function published_column(slot: u32): usize {
  return publish.publishedColumn(slot);
}

export function plane_checksum(): u64 {
  return publish.planeChecksum();
}
