// Request bodies while they arrive: each in one piece of memory that grows, all together bounded. Freed when the decision is made.

import { Buffer, getBufferInto, resultLength, resultPtr, Status } from 'as-proxy-wasm';

/** Readable bytes past the end that core's SIMD and chain want (json/text.ts, prefix/prompt-chain.ts). */
const OVERREAD: usize = 32;
const FIRST_BYTES: usize = 32 << 10;

/** Bytes that the bodies of this VM hold. */
let held: usize = 0;

export class Body {
  ptr: usize = 0;
  /** Bytes that have arrived. */
  length: u32 = 0;
  /** How many there were before the last chunk. */
  lengthBefore: u32 = 0;
  private capacity: usize = 0;

  /** Makes room for `bytes` in all, within `limit` for all bodies together. False: there is none; what is there stays. */
  reserve(bytes: usize, limit: usize): bool {
    if (bytes <= this.capacity) return true;
    const capacity = max<usize>(bytes, min<usize>(max<usize>(this.capacity * 2, FIRST_BYTES), limit));
    if (held - this.capacity + capacity > limit) return false;
    this.ptr = this.ptr == 0 ? heap.alloc(capacity + OVERREAD) : heap.realloc(this.ptr, capacity + OVERREAD);
    held += capacity - this.capacity;
    this.capacity = capacity;
    return true;
  }

  /** Takes the new chunk of `bytes` in; `reserve` has made room. False: the host did not give it. */
  take(bytes: u32): bool {
    const target = this.ptr + <usize>this.length;
    if (getBufferInto(Buffer.RequestBody, 0, bytes, target) != Status.Ok || resultLength != <usize>bytes) return false;
    if (resultPtr != target) memory.copy(target, resultPtr, resultLength);
    this.lengthBefore = this.length;
    this.length += bytes;
    return true;
  }

  free(): void {
    if (this.ptr != 0) heap.free(this.ptr);
    held -= this.capacity;
    this.ptr = 0;
    this.length = 0;
    this.lengthBefore = 0;
    this.capacity = 0;
  }
}
