// How bytes come from the host.
//
// A host call that returns bytes asks the module for room (`proxy_on_memory_allocate`), copies them there and writes pointer and
// length to two cells. An empty result is pointer 0, length 0, and asks for no room.
//
//   CELLS  +0 u32 pointer   +4 u32 length   +8 u32 word (cas, token, id, count, code)   +12 u32 flags   +16 u64 long
//
// Where the room is, in this order:
//   1. where `landAt` said, if the result fits: the bytes stay where the caller wants them, no second copy;
//   2. in a static scratch area, if the result is small: no allocation at all;
//   3. on the heap; released by the next result or by `freeResult`.
// So one rule: *a result that did not land lives until the next call that returns a result.*

import { Status } from './status';

/** A bigger result is refused with `Status.InvalidMemoryAccess`, for a heap that overflows is a trap. Read big buffers in pieces. */
export const MAX_RESULT_BYTES: usize = 64 << 20;

const SCRATCH_BYTES: usize = 8192;
const SCRATCH: usize = memory.data(8192, 16);
const CELLS: usize = memory.data(24, 8);

export const OUT_PTR: usize = CELLS;
export const OUT_LENGTH: usize = CELLS + 4;
export const OUT_WORD: usize = CELLS + 8;
export const OUT_FLAGS: usize = CELLS + 12;
export const OUT_LONG: usize = CELLS + 16;

/** Where the bytes of the last result are; 0 when it was empty or failed. */
export let resultPtr: usize = 0;
/** How many bytes the last result has; 0 when it was empty or failed. */
export let resultLength: usize = 0;

let heapResult: usize = 0; // the result that lies on the heap, if one does
let landingPtr: usize = 0;
let landingCapacity: usize = 0;
let limit: usize = usize.MAX_VALUE;

/**
 * Lets the next result, and only that one, land at `ptr` if it has at most `capacity` bytes; a longer one lands elsewhere, so
 * compare `resultPtr`. A call that fails or returns nothing uses the landing up too.
 */
export function landAt(ptr: usize, capacity: usize): void {
  landingPtr = ptr;
  landingCapacity = capacity;
}

/** Gives the memory of the last result back, if it was too big for the scratch area. Optional: the next result does it too. */
export function freeResult(): void {
  if (heapResult) heap.free(heapResult);
  heapResult = resultPtr = resultLength = 0;
}

/** The last result as a string; allocates. */
export function resultText(): string {
  return String.UTF8.decodeUnsafe(resultPtr, resultLength);
}

/** The last result's bytes, copied into memory from `heap.alloc` that the caller frees; 0 when the result is empty. */
export function copyResult(): usize {
  if (!resultLength) return 0;
  const copy = heap.alloc(resultLength);
  memory.copy(copy, resultPtr, resultLength);
  return copy;
}

/** Before each host call that returns bytes. */
export function expectResult(max: usize = MAX_RESULT_BYTES): void {
  freeResult();
  if (!landingPtr) {
    landingPtr = SCRATCH;
    landingCapacity = SCRATCH_BYTES;
  }
  limit = max;
  store<u64>(OUT_PTR, 0);
}

/** After each host call that returns bytes: fills `resultPtr` and `resultLength`, and passes the status on. */
export function takeResult(status: i32): Status {
  landingPtr = landingCapacity = 0;
  limit = usize.MAX_VALUE;
  if (status === Status.Ok) {
    resultPtr = load<usize>(OUT_PTR);
    resultLength = load<usize>(OUT_LENGTH);
  }
  return status;
}

/** The export that the host calls for room. Only logging is allowed inside. */
export function proxy_on_memory_allocate(size: usize): usize {
  if (size <= landingCapacity) {
    landingCapacity = 0; // never twice for one call
    return landingPtr;
  }
  if (size > limit) return 0;
  const room = heap.alloc(size);
  // Outside of our own calls (`limit` unset) the room belongs to whoever called the host directly.
  if (limit !== usize.MAX_VALUE) heapResult = room;
  return room;
}
