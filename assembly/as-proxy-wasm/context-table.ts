import { Context } from './context';

// Context by number, at a cost that does not depend on how many streams are open, and without garbage.
//
//   table   capacity × ┌ u32 id ┬ u32 slot ┐   raw memory, open addressing with linear probing, at most half full;
//                      └────────┴──────────┘   id 0 (the proxy's own context, never ours) marks a free entry
//   slots   capacity/2 × Context | null        the only managed part: one array that keeps the objects alive
//   free    capacity/2 × u32                   raw memory, stack of the free slots
//
// Removal shifts the entries behind back (no tombstones), so the table never needs cleaning. It grows by doubling and stays.

const ENTRY_BYTES: u32 = 8;

let shift: u32 = 32 - 6;
let mask: u32 = 63;
let table: usize = heap.alloc(64 * ENTRY_BYTES);
let slots: StaticArray<Context | null> = new StaticArray<Context | null>(32);
let free: usize = heap.alloc(32 * 4);
let freeCount: i32 = 0;

memory.fill(table, 0, 64 * ENTRY_BYTES);
for (let slot = 31; slot >= 0; slot--) release(slot);

/** The proxy counts ids up: multiply by 2^32/φ, so that neither runs nor strides collide. */
function home(id: u32): u32 {
  return (id * 0x9e3779b1) >> shift;
}

function entry(index: u32): usize {
  return table + index * ENTRY_BYTES;
}

function release(slot: u32): void {
  store<u32>(free + (freeCount++ << 2), slot);
}

/** Entry of the id, or the free entry where it belongs. */
function probe(id: u32): u32 {
  let index = home(id);
  while (load<u32>(entry(index)) !== id && load<u32>(entry(index)) !== 0) index = (index + 1) & mask;
  return index;
}

export function findContext(id: u32): Context | null {
  const at = entry(probe(id));
  return id && load<u32>(at) === id ? unchecked(slots[load<u32>(at, 4)]) : null;
}

/** Adds the context under its id; one that is there already is replaced. */
export function putContext(context: Context): void {
  if (!freeCount) grow();
  const at = entry(probe(context.id));
  if (load<u32>(at) === 0) {
    store<u32>(at, context.id);
    store<u32>(at, load<u32>(free + (--freeCount << 2)), 4);
  }
  unchecked((slots[load<u32>(at, 4)] = context));
}

export function removeContext(id: u32): void {
  let hole = probe(id);
  if (!id || load<u32>(entry(hole)) !== id) return;
  const slot = load<u32>(entry(hole), 4);
  unchecked((slots[slot] = null));
  release(slot);
  // Whoever probed past the hole moves into it: an entry may move if its home is not between the hole and itself.
  for (let index = (hole + 1) & mask; ; index = (index + 1) & mask) {
    const moving = load<u32>(entry(index));
    if (moving === 0) break;
    if (((index - home(moving)) & mask) < ((index - hole) & mask)) continue;
    store<u64>(entry(hole), load<u64>(entry(index)));
    hole = index;
  }
  store<u64>(entry(hole), 0);
}

function grow(): void {
  const oldTable = table;
  const oldCapacity = mask + 1;
  const oldSlots = slots;
  const capacity = oldCapacity * 2;
  shift--;
  mask = capacity - 1;
  table = heap.alloc(capacity * ENTRY_BYTES);
  memory.fill(table, 0, capacity * ENTRY_BYTES);
  for (let i: u32 = 0; i < oldCapacity; i++) {
    const at = oldTable + i * ENTRY_BYTES;
    if (load<u32>(at)) store<u64>(entry(probe(load<u32>(at))), load<u64>(at));
  }
  heap.free(oldTable);
  slots = new StaticArray<Context | null>(oldCapacity);
  for (let i = 0; i < oldSlots.length; i++) unchecked((slots[i] = oldSlots[i]));
  free = heap.realloc(free, (oldCapacity as usize) * 4);
  for (let slot = oldCapacity - 1; slot >= <u32>oldSlots.length; slot--) release(slot);
}
