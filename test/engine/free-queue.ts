// The queue of free KV blocks: a doubly linked list over block numbers, so that a cached block can leave it from the middle.
//
//   head ⇄ least recently freed ⇄ … ⇄ most recently freed ⇄ tail        (head and tail share one sentinel, number `size`)

export class FreeQueue {
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly sentinel: number;
  private count = 0;

  /** A queue for block numbers 0 … size−1, all free, in that order. */
  constructor(size: number) {
    this.sentinel = size;
    this.next = new Int32Array(size + 1).fill(-1);
    this.previous = new Int32Array(size + 1).fill(-1);
    this.next[size] = this.previous[size] = size;
    for (let block = 0; block < size; block++) this.append(block);
  }

  get length(): number {
    return this.count;
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let block = this.next[this.sentinel]!; block !== this.sentinel; block = this.next[block]!) yield block;
  }

  append(block: number): void {
    const last = this.previous[this.sentinel]!;
    this.next[last] = block;
    this.previous[block] = last;
    this.next[block] = this.sentinel;
    this.previous[this.sentinel] = block;
    this.count++;
  }

  /** Puts a block where it is taken next. */
  prepend(block: number): void {
    const first = this.next[this.sentinel]!;
    this.previous[first] = block;
    this.next[block] = first;
    this.previous[block] = this.sentinel;
    this.next[this.sentinel] = block;
    this.count++;
  }

  /** Takes a block out, wherever it stands. */
  remove(block: number): void {
    const before = this.previous[block]!;
    const after = this.next[block]!;
    if (before < 0) throw new Error(`block ${block} is not free`);
    this.next[before] = after;
    this.previous[after] = before;
    this.next[block] = this.previous[block] = -1;
    this.count--;
  }

  /** Takes the block that has been free for longest. */
  shift(): number {
    const block = this.next[this.sentinel]!;
    if (block === this.sentinel) throw new Error('no free block');
    this.remove(block);
    return block;
  }
}
