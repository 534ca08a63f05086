// Byte-level helpers over JSON text in memory. Every buffer handed in is readable for 16 bytes past its end, so SIMD loads need
// no tail case; what lies behind the end never counts.

/** 0xff where a quote stands that is not behind exactly one backslash: it ends its string, or stands behind several. */
function endings(ptr: usize): v128 {
  const backslash = i8x16.splat(0x5c);
  const escaped = v128.andnot(i8x16.eq(v128.load(ptr - 1), backslash), i8x16.eq(v128.load(ptr - 2), backslash));
  return v128.andnot(i8x16.eq(v128.load(ptr), i8x16.splat(0x22)), escaped);
}

/**
 * The quote that ends the string in which `ptr` stands, or `end`. What stands before `ptr` is looked at: from the string's opening
 * quote on it must be there. 64 bytes a step, and escapes, which are frequent, cost nothing.
 */
export function closingQuote(ptr: usize, end: usize): usize {
  while (ptr < end) {
    if (ptr + 48 <= end) {
      const found = v128.or(v128.or(endings(ptr), endings(ptr + 16)), v128.or(endings(ptr + 32), endings(ptr + 48)));
      if (!v128.any_true(found)) {
        ptr += 64;
        continue;
      }
    }
    const mask = i8x16.bitmask(endings(ptr));
    if (mask == 0) {
      ptr += 16;
      continue;
    }
    ptr += <usize>ctz<i32>(mask);
    if (ptr >= end) break;
    let before = ptr;
    while (load<u8>(before - 1) == 0x5c) before--;
    if (((ptr - before) & 1) == 0) return ptr;
    ptr++;
  }
  return end;
}

/** First byte equal to `byte` in [ptr, end), or `end`. */
export function findByte(ptr: usize, end: usize, byte: i8): usize {
  const wanted = i8x16.splat(byte);
  while (ptr < end) {
    const mask = i8x16.bitmask(i8x16.eq(v128.load(ptr), wanted));
    if (mask != 0) return min<usize>(ptr + <usize>ctz<i32>(mask), end);
    ptr += 16;
  }
  return end;
}

/** First occurrence of `length` bytes at `needle` in [ptr, end), or `end`. */
export function find(ptr: usize, end: usize, needle: usize, length: usize): usize {
  const first = load<i8>(needle);
  while (ptr + length <= end) {
    ptr = findByte(ptr, end - length + 1, first);
    if (ptr > end - length) return end;
    if (memory.compare(ptr, needle, length) == 0) return ptr;
    ptr++;
  }
  return end;
}

export function isSpace(byte: u32): bool {
  return byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09;
}

export function skipSpace(ptr: usize, end: usize): usize {
  while (ptr < end && isSpace(load<u8>(ptr))) ptr++;
  return ptr;
}

/** [ptr, end) equals the `length` bytes at `text`. */
export function equals(ptr: usize, end: usize, text: usize, length: usize): bool {
  return end - ptr == length && memory.compare(ptr, text, length) == 0;
}

/** Value of one hexadecimal digit, or −1. */
function hexDigit(byte: u32): i32 {
  if (byte >= 0x30 && byte <= 0x39) return <i32>byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? <i32>letter - 0x57 : -1;
}

/** Four hexadecimal digits, or −1. */
function hex4(ptr: usize): i32 {
  const a = hexDigit(load<u8>(ptr));
  const b = hexDigit(load<u8>(ptr, 1));
  const c = hexDigit(load<u8>(ptr, 2));
  const d = hexDigit(load<u8>(ptr, 3));
  return (a | b | c | d) < 0 ? -1 : (a << 12) | (b << 8) | (c << 4) | d;
}

/** How the last `readEscape` ended. */
export const enum Escape {
  Ok,
  /** Not a JSON escape, or cut off. */
  Broken,
  /** Half of a surrogate pair: valid JSON in Python, but no text that an engine can encode. */
  LoneSurrogate,
}

/** UTF-8 bytes of the last escape, lowest first, and their number. */
export let escapeBytes: u32 = 0;
export let escapeLength: u32 = 0;
export let escapeStatus: Escape = Escape.Ok;

/** What stands behind a backslash → the character meant, 0 where that takes more than a look: `u`, and what is no escape. */
const SIMPLE: usize = memory.data(256);
store<u8>(SIMPLE, 0x22, 0x22);
store<u8>(SIMPLE, 0x5c, 0x5c);
store<u8>(SIMPLE, 0x2f, 0x2f);
store<u8>(SIMPLE, 0x08, 0x62);
store<u8>(SIMPLE, 0x0c, 0x66);
store<u8>(SIMPLE, 0x0a, 0x6e);
store<u8>(SIMPLE, 0x0d, 0x72);
store<u8>(SIMPLE, 0x09, 0x74);

/** Reads the escape whose backslash is at `ptr`; returns the address behind it. Sets the three variables above. */
export function readEscape(ptr: usize, end: usize): usize {
  escapeStatus = Escape.Ok;
  if (ptr + 2 > end) return broken(end);
  const letter = <u32>load<u8>(ptr, 1);
  if (letter != 0x75) {
    escapeBytes = load<u8>(SIMPLE + <usize>letter);
    escapeLength = 1;
    return escapeBytes == 0 ? broken(end) : ptr + 2;
  }
  if (ptr + 6 > end) return broken(end);
  let code = hex4(ptr + 2);
  if (code < 0) return broken(end);
  ptr += 6;
  if (code >= 0xd800 && code < 0xe000) {
    let low = -1;
    if (code < 0xdc00 && ptr + 6 <= end && load<u16>(ptr) == 0x755c) low = hex4(ptr + 2);
    if (low < 0xdc00 || low > 0xdfff) {
      escapeStatus = Escape.LoneSurrogate;
      return end;
    }
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    ptr += 6;
  }
  encode(<u32>code);
  return ptr;
}

function broken(end: usize): usize {
  escapeStatus = Escape.Broken;
  escapeLength = 0;
  return end;
}

function encode(code: u32): void {
  if (code < 0x80) {
    escapeBytes = code;
    escapeLength = 1;
  } else if (code < 0x800) {
    escapeBytes = 0x80c0 | (code >> 6) | ((code & 0x3f) << 8);
    escapeLength = 2;
  } else if (code < 0x10000) {
    escapeBytes = 0x8080e0 | (code >> 12) | (((code >> 6) & 0x3f) << 8) | ((code & 0x3f) << 16);
    escapeLength = 3;
  } else {
    escapeBytes = 0x808080f0 | (code >> 18) | (((code >> 12) & 0x3f) << 8) | (((code >> 6) & 0x3f) << 16) | ((code & 0x3f) << 24);
    escapeLength = 4;
  }
}

/**
 * Unescapes the string content [ptr, end) to `target`, which must have room for end − ptr + 16 bytes. Returns the address behind
 * the text; when an escape is not `Escape.Ok` (see `escapeStatus`), behind the text before it.
 */
export function unescapeInto(ptr: usize, end: usize, target: usize): usize {
  escapeStatus = Escape.Ok;
  while (ptr < end) {
    // As many bytes at once as seldom lack an escape: guessing wrong whether there is one costs more than copying too much.
    const plain = ptr + 48 <= end ? copyPlain64(ptr, target) : copyPlain16(ptr, target);
    if (plain >= end - ptr) return target + (end - ptr);
    ptr += plain;
    target += plain;
    if (load<u8>(ptr) != 0x5c) continue;
    const character = <u32>load<u8>(SIMPLE + <usize>load<u8>(ptr, 1));
    if (character != 0 && ptr + 2 <= end) {
      store<u8>(target, character);
      target++;
      ptr += 2;
      continue;
    }
    ptr = readEscape(ptr, end);
    if (escapeStatus != Escape.Ok) break;
    store<u32>(target, escapeBytes);
    target += <usize>escapeLength;
  }
  return target;
}

/** Copies 16 bytes; returns how many of them stand before the first backslash. */
function copyPlain16(ptr: usize, target: usize): usize {
  const bytes = v128.load(ptr);
  v128.store(target, bytes);
  return <usize>ctz<i32>(i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x5c))) | 0x10000);
}

/** The same with 64 bytes. */
function copyPlain64(ptr: usize, target: usize): usize {
  const backslash = i8x16.splat(0x5c);
  const a = v128.load(ptr);
  const b = v128.load(ptr, 16);
  const c = v128.load(ptr, 32);
  const d = v128.load(ptr, 48);
  v128.store(target, a);
  v128.store(target, b, 16);
  v128.store(target, c, 32);
  v128.store(target, d, 48);
  const low = <u32>i8x16.bitmask(i8x16.eq(a, backslash)) | ((<u32>i8x16.bitmask(i8x16.eq(b, backslash))) << 16);
  const high = <u32>i8x16.bitmask(i8x16.eq(c, backslash)) | ((<u32>i8x16.bitmask(i8x16.eq(d, backslash))) << 16);
  return <usize>ctz<u64>(<u64>low | ((<u64>high) << 32)); // 64 when there is none
}
