// Exact keys of one slot: key → number of blocks that complete it. Open addressing with linear probing; the home of a key is its
// high half scaled to the capacity, so any capacity works and growth need not double.
//
//   keys:   u64 × capacity        counts: u16 × capacity, 0 = empty, 65535 = stays for ever (until clear)

const LOAD_NUMERATOR: u32 = 4; // at most 4/5 full
const LOAD_DENOMINATOR: u32 = 5;
const STICKY: u32 = 0xffff;

@unmanaged
export class KeyTable {
  private keys: usize;
  private counts: usize;
  capacity: u32;
  /** Distinct keys. */
  used: u32;

  static create(): KeyTable {
    const table = changetype<KeyTable>(heap.alloc(offsetof<KeyTable>()));
    table.capacity = 0;
    table.used = 0;
    table.keys = 0;
    table.counts = 0;
    return table;
  }

  private home(key: u64): u32 {
    return <u32>(((key >> 32) * <u64>this.capacity) >> 32);
  }

  private count(place: u32): u32 {
    return <u32>load<u16>(this.counts + ((<usize>place) << 1));
  }

  /** Key at a place, for iteration over 0..capacity; look at `occupied` first. */
  keyAt(place: u32): u64 {
    return load<u64>(this.keys + ((<usize>place) << 3));
  }

  occupied(place: u32): bool {
    return this.count(place) != 0;
  }

  has(key: u64): bool {
    if (this.used == 0) return false;
    const capacity = this.capacity;
    let place = this.home(key);
    while (this.count(place) != 0) {
      if (this.keyAt(place) == key) return true;
      if (++place == capacity) place = 0;
    }
    return false;
  }

  /** Reads where the key is or will be, for the caches' sake. */
  touch(key: u64): u32 {
    if (this.capacity == 0) return 0;
    const place = this.home(key);
    return this.count(place) + <u32>this.keyAt(place);
  }

  /** Counts one more holder; true when the key is new. */
  add(key: u64): bool {
    if ((this.used + 1) * LOAD_DENOMINATOR > this.capacity * LOAD_NUMERATOR) this.grow();
    const capacity = this.capacity;
    let place = this.home(key);
    let count = this.count(place);
    while (count != 0) {
      if (this.keyAt(place) == key) {
        if (count != STICKY) store<u16>(this.counts + ((<usize>place) << 1), <u16>(count + 1));
        return false;
      }
      if (++place == capacity) place = 0;
      count = this.count(place);
    }
    store<u64>(this.keys + ((<usize>place) << 3), key);
    store<u16>(this.counts + ((<usize>place) << 1), 1);
    this.used++;
    return true;
  }

  /** Counts one holder less; true when the key is gone. */
  remove(key: u64): bool {
    if (this.used == 0) return false;
    const capacity = this.capacity;
    let place = this.home(key);
    let count = this.count(place);
    while (count != 0) {
      if (this.keyAt(place) == key) {
        if (count == STICKY) return false;
        if (count > 1) {
          store<u16>(this.counts + ((<usize>place) << 1), <u16>(count - 1));
          return false;
        }
        this.vacate(place);
        this.used--;
        return true;
      }
      if (++place == capacity) place = 0;
      count = this.count(place);
    }
    return false;
  }

  /** Empties a place and moves later keys of the run back, so that no probe ends too early. */
  private vacate(place: u32): void {
    const capacity = this.capacity;
    let next = place;
    for (;;) {
      if (++next == capacity) next = 0;
      const count = this.count(next);
      if (count == 0) break;
      const key = this.keyAt(next);
      const home = this.home(key);
      // Movable unless its home lies cyclically in (place, next].
      const stays = place <= next ? home > place && home <= next : home > place || home <= next;
      if (stays) continue;
      store<u64>(this.keys + ((<usize>place) << 3), key);
      store<u16>(this.counts + ((<usize>place) << 1), <u16>count);
      place = next;
    }
    store<u16>(this.counts + ((<usize>place) << 1), 0);
  }

  private grow(): void {
    const oldKeys = this.keys;
    const oldCounts = this.counts;
    const oldCapacity = this.capacity;
    const capacity = oldCapacity + (oldCapacity >> 2) + 64;
    this.capacity = capacity;
    this.keys = heap.alloc((<usize>capacity) << 3);
    this.counts = heap.alloc((<usize>capacity) << 1);
    memory.fill(this.counts, 0, (<usize>capacity) << 1);
    for (let i: u32 = 0; i < oldCapacity; i++) {
      const count = load<u16>(oldCounts + ((<usize>i) << 1));
      if (count == 0) continue;
      const key = load<u64>(oldKeys + ((<usize>i) << 3));
      let place = this.home(key);
      while (this.count(place) != 0) if (++place == capacity) place = 0;
      store<u64>(this.keys + ((<usize>place) << 3), key);
      store<u16>(this.counts + ((<usize>place) << 1), count);
    }
    if (oldKeys != 0) heap.free(oldKeys);
    if (oldCounts != 0) heap.free(oldCounts);
  }

  clear(): void {
    if (this.keys != 0) heap.free(this.keys);
    if (this.counts != 0) heap.free(this.counts);
    this.keys = 0;
    this.counts = 0;
    this.capacity = 0;
    this.used = 0;
  }
}
