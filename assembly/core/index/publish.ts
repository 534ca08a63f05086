// From counters to what is published: flipped bits since the last time, the plane's checksum, whole columns.

import { bitMix } from '../prefix/rows';
import { SLOTS } from '../summary/format';
import { bitsOf32 } from './counters';
import { rows, slotAt, slotExists, zeroed } from './plane';

let flipped: usize = 0;
let flippedRoom: u32 = 0;

/** Rows flipped by the last `publishSlot`, u32 each, ascending. */
export function flippedPtr(): usize {
  return flipped;
}

/** Checksum of the published bits of the whole plane (format.ts, PLANE). */
export function planeChecksum(): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < <u32>SLOTS; i++) if (slotExists(i)) sum ^= slotAt(i).checksum;
  return sum;
}

/** Whether the slot was cleared since the last publication; its published bits become 0. Call before `publishSlot`. */
export function publishClear(index: u32): bool {
  if (!slotExists(index)) return false;
  const slot = slotAt(index);
  if (!slot.cleared) return false;
  slot.cleared = false;
  slot.checksum = 0;
  if (slot.published != 0) memory.fill(slot.published, 0, <usize>(rows >> 3));
  return true;
}

/** Publishes a slot's bits: returns how many flipped, their rows at `flippedPtr`. */
export function publishSlot(index: u32): u32 {
  if (!slotExists(index)) return 0;
  const slot = slotAt(index);
  if (!slot.dirty) return 0;
  slot.dirty = false;
  if (slot.counters == 0) return 0;
  if (slot.published == 0) slot.published = zeroed(<usize>(rows >> 3));
  let n: u32 = 0;
  let sum = slot.checksum;
  const words = rows >> 6;
  for (let w: u32 = 0; w < words; w++) {
    const bits = <u64>bitsOf32(slot.counters, w << 1) | ((<u64>bitsOf32(slot.counters, (w << 1) | 1)) << 32);
    const ptr = slot.published + ((<usize>w) << 3);
    let difference = bits ^ load<u64>(ptr);
    if (difference == 0) continue;
    store<u64>(ptr, bits);
    if (n + 64 > flippedRoom) growFlipped();
    while (difference != 0) {
      const row = (w << 6) | <u32>ctz<u64>(difference);
      difference &= difference - 1;
      store<u32>(flipped + ((<usize>n) << 2), row);
      sum ^= bitMix(row, index);
      n++;
    }
  }
  slot.checksum = sum;
  return n;
}

function growFlipped(): void {
  flippedRoom = max<u32>(flippedRoom * 2, 4096);
  flipped = flipped == 0 ? heap.alloc((<usize>flippedRoom) << 2) : heap.realloc(flipped, (<usize>flippedRoom) << 2);
}

/** Address of the published bits of a slot (rows / 8 bytes), 0 when it has none. */
export function publishedColumn(index: u32): usize {
  return slotExists(index) ? slotAt(index).published : 0;
}
