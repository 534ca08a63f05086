// A cursor over MessagePack bytes. Bounded: a read past the end or of another type sets `failed` and yields 0; the caller looks
// at `failed` once per event. Source: the MessagePack specification (formats), facts on vLLM's wire format (what occurs).

import { equalBytes } from './equal';

/** Kinds of value as `peek` tells them. */
export enum Kind {
  Nil,
  Bool,
  Integer,
  Float,
  String,
  Binary,
  Array,
  Map,
  Extension,
  None,
}

let at: usize = 0;
let end: usize = 0;
/** Something was cut off or of another type than asked for. */
export let failed: bool = false;

/** Start and length of the last string or binary value read. */
export let textPtr: usize = 0;
export let textLength: u32 = 0;

export function open(ptr: usize, length: usize): void {
  at = ptr;
  end = ptr + length;
  failed = false;
}

export function position(): usize {
  return at;
}

export function seek(ptr: usize): void {
  at = ptr;
}

export function fail(): void {
  failed = true;
  at = end;
}

function have(bytes: usize): bool {
  if (end - at >= bytes) return true;
  fail();
  return false;
}

function big16(ptr: usize): u32 {
  return <u32>bswap<u16>(load<u16>(ptr));
}

function big32(ptr: usize): u32 {
  return bswap<u32>(load<u32>(ptr));
}

export function peek(): Kind {
  if (at >= end) return Kind.None;
  const tag = <u32>load<u8>(at);
  if (tag < 0x80 || tag >= 0xe0) return Kind.Integer;
  if (tag < 0x90) return Kind.Map;
  if (tag < 0xa0) return Kind.Array;
  if (tag < 0xc0) return Kind.String;
  switch (tag) {
    case 0xc0:
      return Kind.Nil;
    case 0xc2:
    case 0xc3:
      return Kind.Bool;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return Kind.Binary;
    case 0xca:
    case 0xcb:
      return Kind.Float;
    case 0xd9:
    case 0xda:
    case 0xdb:
      return Kind.String;
    case 0xdc:
    case 0xdd:
      return Kind.Array;
    case 0xde:
    case 0xdf:
      return Kind.Map;
    default:
      return tag >= 0xcc && tag <= 0xd3 ? Kind.Integer : Kind.Extension;
  }
}

/** Consumes a nil if one is next. */
export function takeNil(): bool {
  if (at >= end || load<u8>(at) != 0xc0) return false;
  at++;
  return true;
}

/** Any integer as 64 bits, negative ones in two's complement. */
export function readInteger(): u64 {
  if (!have(1)) return 0;
  const tag = <u32>load<u8>(at);
  if (tag < 0x80) {
    at++;
    return tag;
  }
  if (tag >= 0xe0) {
    at++;
    return <u64>(<i64>(<i8>tag));
  }
  const size: usize = 1 << (tag & 3);
  if (tag < 0xcc || tag > 0xd3 || !have(1 + size)) {
    fail();
    return 0;
  }
  const ptr = at + 1;
  at = ptr + size;
  switch (tag) {
    case 0xcc:
      return load<u8>(ptr);
    case 0xcd:
      return big16(ptr);
    case 0xce:
      return big32(ptr);
    case 0xd0:
      return <u64>(<i64>load<i8>(ptr));
    case 0xd1:
      return <u64>(<i64>(<i16>big16(ptr)));
    case 0xd2:
      return <u64>(<i64>(<i32>big32(ptr)));
    default:
      return bswap<u64>(load<u64>(ptr));
  }
}

export function readFloat(): f64 {
  if (!have(1)) return 0;
  const tag = load<u8>(at);
  if (tag == 0xcb && have(9)) {
    at += 9;
    return reinterpret<f64>(bswap<u64>(load<u64>(at - 8)));
  }
  if (tag == 0xca && have(5)) {
    at += 5;
    return <f64>reinterpret<f32>(big32(at - 4));
  }
  return <f64>(<i64>readInteger());
}

function readCount(fix: u32, fixMask: u32, tag16: u32): u32 {
  if (!have(1)) return 0;
  const tag = <u32>load<u8>(at);
  if ((tag & ~fixMask) == fix) {
    at++;
    return tag & fixMask;
  }
  if (tag == tag16 && have(3)) {
    at += 3;
    return big16(at - 2);
  }
  if (tag == tag16 + 1 && have(5)) {
    at += 5;
    return big32(at - 4);
  }
  fail();
  return 0;
}

/** Number of elements that follow. */
export function readArray(): u32 {
  return readCount(0x90, 0x0f, 0xdc);
}

/** Number of key and value pairs that follow. */
export function readMap(): u32 {
  return readCount(0x80, 0x0f, 0xde);
}

/** A string or binary value: sets `textPtr`, `textLength`. */
export function readText(): void {
  textLength = 0;
  if (!have(1)) return;
  const tag = <u32>load<u8>(at);
  let head: usize = 1;
  let length: u32 = 0;
  if ((tag & 0xe0) == 0xa0) length = tag & 0x1f;
  else if (tag == 0xd9 || tag == 0xc4) {
    if (!have(2)) return;
    head = 2;
    length = load<u8>(at + 1);
  } else if (tag == 0xda || tag == 0xc5) {
    if (!have(3)) return;
    head = 3;
    length = big16(at + 1);
  } else if (tag == 0xdb || tag == 0xc6) {
    if (!have(5)) return;
    head = 5;
    length = big32(at + 1);
  } else {
    fail();
    return;
  }
  if (!have(head + <usize>length)) return;
  textPtr = at + head;
  textLength = length;
  at += head + <usize>length;
}

/** Whether the last text read equals the `length` bytes at `ptr`. */
export function textIs(ptr: usize, length: u32): bool {
  return textLength == length && equalBytes(textPtr, ptr, length);
}

/** Bytes of a value by its tag, 0 where that takes more than a look: containers, and lengths in bytes of their own. */
const SIZES: usize = memory.data(256);

for (let tag: usize = 0; tag < 256; tag++) {
  let size: u32 = 0;
  if (tag < 0x80 || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3) size = 1;
  else if (tag >= 0xa0 && tag < 0xc0) size = 1 + (<u32>tag & 0x1f);
  else if (tag == 0xca) size = 5;
  else if (tag == 0xcb) size = 9;
  else if (tag >= 0xcc && tag <= 0xd3) size = 1 + (1 << (<u32>tag & 3));
  else if (tag >= 0xd4 && tag <= 0xd8) size = 2 + (1 << (<u32>tag - 0xd4));
  store<u8>(SIZES + tag, <u8>size);
}

/** Passes over one value of any type, however deep. */
export function skip(): void {
  let left: u64 = 1; // values to pass over, those in containers met so far included
  while (left != 0) {
    if (at >= end) return fail();
    const size = <usize>load<u8>(SIZES + <usize>load<u8>(at));
    if (size != 0) at += size;
    else left += skipHead();
    left--;
  }
  if (at > end) fail();
}

/** Passes over a value's head and its own bytes; returns how many values follow inside it. */
function skipHead(): u64 {
  switch (peek()) {
    case Kind.Array:
      return readArray();
    case Kind.Map:
      return <u64>readMap() * 2;
    case Kind.String:
    case Kind.Binary:
      readText();
      return 0;
    case Kind.Extension:
      skipExtension();
      return 0;
  }
  fail();
  return 0;
}

/** An extension with its length in bytes of its own. */
function skipExtension(): void {
  const tag = <u32>load<u8>(at);
  if (tag >= 0xc7 && tag <= 0xc9 && have(tag == 0xc7 ? 3 : tag == 0xc8 ? 4 : 6)) {
    const size: usize = tag == 0xc7 ? 3 + <usize>load<u8>(at + 1) : tag == 0xc8 ? 4 + <usize>big16(at + 1) : 6 + <usize>big32(at + 1);
    if (have(size)) {
      at += size;
      return;
    }
  }
  fail();
}

/**
 * An array of at most `room` small unsigned integers (token ids), written as u32 to `target`.
 * Returns their number; a negative, too large or other value fails.
 */
export function readIdsInto(target: usize, room: u32): u32 {
  const count = readArray();
  if (count > room) {
    fail();
    return 0;
  }
  let ptr = at;
  // The widest integer takes 9 bytes: while that much is left no element needs a bounds check of its own.
  const safe = end - min<usize>(end - ptr, 9);
  for (let i: u32 = 0; i < count; i++) {
    let id: u32 = 0;
    const tag: u32 = ptr < safe ? load<u8>(ptr) : 0xff;
    if (tag == 0xcd) {
      id = big16(ptr + 1);
      ptr += 3;
    } else if (tag < 0x80) {
      id = tag;
      ptr += 1;
    } else if (tag == 0xce) {
      id = big32(ptr + 1);
      ptr += 5;
    } else if (tag == 0xcc) {
      id = load<u8>(ptr + 1);
      ptr += 2;
    } else {
      at = ptr;
      const wide = readInteger();
      if (failed || wide > 0xffffffff) {
        fail();
        return 0;
      }
      id = <u32>wide;
      ptr = at;
    }
    store<u32>(target + ((<usize>i) << 2), id);
  }
  at = ptr;
  return count;
}

/** One engine hash as an opaque handle: an integer as it is, of bytes the last eight, big-endian (facts on vLLM, section 5). */
export function readHandle(): u64 {
  if (peek() == Kind.Binary) {
    readText();
    if (textLength >= 8) return bswap<u64>(load<u64>(textPtr + textLength - 8));
    fail();
    return 0;
  }
  return readInteger();
}
