// A JSON string's content → bytes of the prompt: unescaped into scratch memory as a whole, then checked, then hashed. Escapes come
// every 40 bytes: three passes over all of it are several times faster than the pieces between them one by one.

import { Escape, escapeStatus, find, unescapeInto } from '../json/text';
import { append, OVERREAD_BYTES, promptBytes, strides, truncateStrides } from '../prefix/prompt-chain';
import * as format from '../summary/format';
import { NFC_INVALID, nfcOpenBytes, nfcReset, nfcStableLength, nfcStatus } from './nfc';
import { Reason } from './reason';

const THINK_END: usize = memory.data<u8>([0x3c, 0x2f, 0x74, 0x68, 0x69, 0x6e, 0x6b, 0x3e]); // </think>

let scratch: usize = 0;
let scratchRoom: usize = 0;
let normalised: bool = false;
let strideBytes: u32 = 64;

/** Begins the text of one prompt. nfc: the engine normalises it. */
export function beginText(nfc: bool, stride: u32): void {
  normalised = nfc;
  strideBytes = stride;
  if (nfc) nfcReset();
}

/** Scratch memory of `bytes`, kept until the next call. */
export function reserveScratch(bytes: usize): usize {
  if (bytes > scratchRoom) {
    if (scratch != 0) heap.free(scratch);
    scratchRoom = bytes + (bytes >> 2) + 4096;
    scratch = heap.alloc(scratchRoom);
  }
  return scratch;
}

/** Adds bytes as they are. Anything but `Covered`: stopped within them, the credit before is kept. */
export function appendBytes(ptr: usize, length: usize): Reason {
  if (!normalised) {
    append(ptr, length);
    return Reason.Covered;
  }
  const stable = nfcStableLength(ptr, length);
  if (stable == length) {
    append(ptr, length);
    return Reason.Covered;
  }
  append(ptr, stable);
  if (nfcStatus() == NFC_INVALID) return Reason.Json;
  // What changes may begin before this piece: strides that reach into it are not what the engine sees.
  const sure = promptBytes - <u64>nfcOpenBytes();
  truncateStrides(<u32>min<u64>(<u64>strides, sure / <u64>strideBytes));
  return Reason.Nfc;
}

/** Adds the string content [ptr, end) of a request, unescaped; of one with a bad escape what stands before that. */
export function appendJson(ptr: usize, end: usize): Reason {
  const reason = prepareContent(ptr, end, format.CONTENT_IDENTITY);
  return reason == Reason.Covered ? appendPrepared() : reason;
}

function escapeReason(): Reason {
  return escapeStatus == Escape.LoneSurrogate ? Reason.Surrogate : Reason.Json;
}

// A content made ready by `prepareContent`, and what follows it: `Covered`, or why there is no more.
let contentFrom: usize = 0;
let contentTo: usize = 0;
let contentEnds: Reason = Reason.Covered;

/**
 * Makes the content [ptr, end) of a message ready as its content function says. Anything but `Covered`: the template would render
 * this message in a way that the function does not cover, so nothing of it is sure, not even what stands before the content.
 */
export function prepareContent(ptr: usize, end: usize, content: u32): Reason {
  const text = reserveScratch(end - ptr + 16 + OVERREAD_BYTES);
  let start = text;
  let stop = unescapeInto(ptr, end, text);
  contentEnds = escapeStatus == Escape.Ok ? Reason.Covered : escapeReason();
  if (<i32>content != format.CONTENT_IDENTITY && contentEnds != Reason.Covered) return contentEnds;
  const cut = <i32>content >= format.CONTENT_AFTER_THINK_NEWLINES ? lastThink(start, stop) : 0;
  switch (content) {
    case format.CONTENT_IDENTITY:
      break;
    case format.CONTENT_AFTER_THINK_NEWLINES:
      if (cut != 0) start = skipNewlines(cut, stop);
      break;
    case format.CONTENT_AFTER_THINK_STRIP:
      if (cut != 0) start = cut;
      start = stripLeft(start, stop);
      stop = stripRight(start, stop);
      break;
    case format.CONTENT_WITHOUT_THINK:
    case format.CONTENT_WITHOUT_THINK_NEWLINES:
    case format.CONTENT_WITHOUT_THINK_STRIP:
      if (cut != 0) return Reason.Content;
      if (content == format.CONTENT_WITHOUT_THINK_NEWLINES) start = skipNewlines(start, stop);
      if (content == format.CONTENT_WITHOUT_THINK_STRIP) {
        start = stripLeft(start, stop);
        stop = stripRight(start, stop);
      }
      break;
    default:
      if (content != format.CONTENT_STRIP_RIGHT) start = stripLeft(start, stop);
      if (content != format.CONTENT_STRIP_LEFT) stop = stripRight(start, stop);
  }
  contentFrom = start;
  contentTo = stop;
  return Reason.Covered;
}

/** Adds the content made ready. */
export function appendPrepared(): Reason {
  const reason = appendBytes(contentFrom, contentTo - contentFrom);
  return reason == Reason.Covered ? contentEnds : reason;
}

/** Address behind the last "</think>", 0 when there is none. */
function lastThink(ptr: usize, end: usize): usize {
  let last: usize = 0;
  let found = find(ptr, end, THINK_END, 8);
  while (found != end) {
    last = found + 8;
    found = find(last, end, THINK_END, 8);
  }
  return last;
}

function skipNewlines(ptr: usize, end: usize): usize {
  while (ptr < end && load<u8>(ptr) == 0x0a) ptr++;
  return ptr;
}

/**
 * Length of the white space character at `ptr`, 0 if it is none: what Python's str.strip takes (str.isspace): U+0009–000D,
 * U+001C–0020, U+0085, U+00A0, U+1680, U+2000–200A, U+2028, U+2029, U+202F, U+205F, U+3000.
 */
function spaceLength(ptr: usize, end: usize): usize {
  const first = <u32>load<u8>(ptr);
  if (first < 0x80) return (first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x20) ? 1 : 0;
  if (first == 0xc2) {
    if (ptr + 2 > end) return 0;
    const second = <u32>load<u8>(ptr, 1);
    return second == 0x85 || second == 0xa0 ? 2 : 0;
  }
  if (first < 0xe1 || first > 0xe3 || ptr + 3 > end) return 0;
  const rest = ((<u32>load<u8>(ptr, 1)) << 8) | <u32>load<u8>(ptr, 2);
  if (first == 0xe1) return rest == 0x9a80 ? 3 : 0;
  if (first == 0xe3) return rest == 0x8080 ? 3 : 0;
  const general = (rest >= 0x8080 && rest <= 0x808a) || rest == 0x80a8 || rest == 0x80a9 || rest == 0x80af || rest == 0x819f;
  return general ? 3 : 0;
}

function stripLeft(ptr: usize, end: usize): usize {
  while (ptr < end) {
    const length = spaceLength(ptr, end);
    if (length == 0) break;
    ptr += length;
  }
  return ptr;
}

function stripRight(ptr: usize, end: usize): usize {
  while (end > ptr) {
    let start = end - 1;
    while (start > ptr && (load<u8>(start) & 0xc0) == 0x80 && end - start < 4) start--;
    if (spaceLength(start, end) != end - start) break;
    end = start;
  }
  return end;
}
