// The chain over one prompt as it is rendered, piece by piece: state at every stride. One prompt at a time per VM; results stay
// until the next `beginChain`.
//
//   states: u64 × strides; state i is acc after (i + 1) · stride bytes. Keys follow from them: keyOf(state, namespace).

import { mix64, P1, P2 } from './chain';

/** Longest prompt that is followed, in strides; what lies behind it is no longer looked at. */
export const STRIDES_MAX: u32 = 1 << 16;

/** Pieces must be readable for so many bytes past their end. */
export const OVERREAD_BYTES: usize = 16;

const states: usize = heap.alloc((<usize>STRIDES_MAX) << 3);

let acc: u64 = 0;
let partial: u64 = 0;
let partialBytes: u32 = 0;
let stride: u32 = 64;
/** Bytes from the next word's start to the stride's end. */
let room: u32 = 0;
/** Strides completed. */
export let strides: u32 = 0;
/** The prompt is longer than STRIDES_MAX strides. */
export let tooLong: bool = false;
/** Bytes of the prompt so far. */
export let promptBytes: u64 = 0;

export function beginChain(strideBytes: u32, chainSeed: u64): void {
  acc = mix64(chainSeed);
  partial = 0;
  partialBytes = 0;
  stride = strideBytes;
  room = strideBytes;
  strides = 0;
  tooLong = false;
  promptBytes = 0;
}

export function stateAt(index: u32): u64 {
  return load<u64>(states + ((<usize>index) << 3));
}

function finishStride(): void {
  room = stride;
  if (strides == STRIDES_MAX) {
    tooLong = true;
    return;
  }
  store<u64>(states + ((<usize>strides) << 3), acc);
  strides++;
}

/** Adds `length` bytes at `ptr` to the prompt. */
export function append(ptr: usize, length: usize): void {
  promptBytes += <u64>length;
  const have = partialBytes;
  if (have + <u32>length < 8) {
    if (length != 0) {
      partial |= (load<u64>(ptr) & (((<u64>1) << ((<u64>length) << 3)) - 1)) << ((<u64>have) << 3);
      partialBytes = have + <u32>length;
    }
    return;
  }
  if (have == 0) appendWords(ptr, length);
  else appendShifted(ptr, length, (<u64>have) << 3);
}

function appendWords(ptr: usize, length: usize): void {
  let words = <u32>(length >> 3);
  while (words != 0) {
    const run = min<u32>(words, room >> 3);
    let a = acc;
    const stop = ptr + ((<usize>run) << 3);
    while (ptr < stop) {
      a = rotl<u64>(a + load<u64>(ptr) * P2, 31) * P1;
      ptr += 8;
    }
    acc = a;
    words -= run;
    room -= run << 3;
    if (room == 0) finishStride();
  }
  partialBytes = <u32>length & 7;
  partial = partialBytes == 0 ? 0 : load<u64>(ptr) & (((<u64>1) << ((<u64>partialBytes) << 3)) - 1);
}

/** As `appendWords`, when `shift` bits of the next word are there already. */
function appendShifted(ptr: usize, length: usize, shift: u64): void {
  const total = <u32>(shift >> 3) + <u32>length;
  let words = total >> 3;
  const back = 64 - shift;
  let carry = partial;
  while (words != 0) {
    const run = min<u32>(words, room >> 3);
    let a = acc;
    const stop = ptr + ((<usize>run) << 3);
    while (ptr < stop) {
      const word = load<u64>(ptr);
      a = rotl<u64>(a + (carry | (word << shift)) * P2, 31) * P1;
      carry = word >> back;
      ptr += 8;
    }
    acc = a;
    words -= run;
    room -= run << 3;
    if (room == 0) finishStride();
  }
  // The last word read may reach past the piece's end: its bytes there are not part of the prompt.
  partialBytes = total & 7;
  partial = partialBytes == 0 ? 0 : tail(carry, shift, ptr) & (((<u64>1) << ((<u64>partialBytes) << 3)) - 1);
}

/** Bytes of the next word: those carried over, then those still at `ptr`. */
function tail(carry: u64, shift: u64, ptr: usize): u64 {
  return carry | (load<u64>(ptr) << shift);
}

/** Takes the last `strides − count` strides back: what was hashed there is not what the engine sees. */
export function truncateStrides(count: u32): void {
  if (count < strides) strides = count;
}
