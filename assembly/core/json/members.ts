// The streaming scanner: finds the top-level members of a request body while it arrives, whatever the sizes of its chunks.
// It marks spans and nothing else; real clients send `messages` first and what decides about it (`model`, `tools`, `cache_salt`)
// last, and the last duplicate wins, so nothing can be used before the object closes. Source: DESIGN section 5.2.
//
// State between chunks is this record; all positions are offsets from the start of the body, because the body may move when its
// buffer grows.
//
//   u32 position │ u8 state │ u8 in string │ u8 0 │ u8 key number │ u32 depth │ u32 start │ spans: (u32 start, u32 end) × MEMBERS

import { MEMBERS, memberOf } from './names';
import { closingQuote, isSpace } from './text';
import { DEPTH_MAX } from './value';

export const enum Scan {
  /** Needs more bytes. */
  More,
  /** The object is closed; bytes behind it do not matter. */
  Closed,
  /** No JSON object, or one that we do not follow. */
  Odd,
}

const enum State {
  Begin,
  KeyOrEnd,
  Key,
  KeyString,
  Colon,
  Value,
  String,
  Scalar,
  Container,
  CommaOrEnd,
  Closed,
  Odd,
}

const AT_STATE: usize = 4;
const AT_IN_STRING: usize = 5;
const AT_MEMBER: usize = 7;
const AT_DEPTH: usize = 8;
const AT_START: usize = 12;
const AT_SPANS: usize = 16;

/** Bytes of a scanner's record. */
export const SCANNER_BYTES: usize = AT_SPANS + <usize>MEMBERS * 8;

export function resetScanner(scanner: usize): void {
  memory.fill(scanner, 0, SCANNER_BYTES);
}

/** Bytes scanned so far. */
export function scanned(scanner: usize): u32 {
  return load<u32>(scanner);
}

/** Offset of a member's value, 0 when the object has no such member. */
export function memberStart(scanner: usize, member: u32): u32 {
  return load<u32>(scanner + AT_SPANS + ((<usize>member) << 3));
}

/** Offset behind a member's value. */
export function memberEnd(scanner: usize, member: u32): u32 {
  return load<u32>(scanner + AT_SPANS + ((<usize>member) << 3), 4);
}

/**
 * Closes, at `length` bytes, the span of a value that has begun and not ended: what has arrived of it can be read.
 * Returns the member, or MEMBERS when the bytes end elsewhere.
 */
export function closeOpenValue(scanner: usize, length: u32): u32 {
  const state = <State>load<u8>(scanner, AT_STATE);
  const member = <u32>load<u8>(scanner, AT_MEMBER);
  if ((state != State.String && state != State.Container) || member >= MEMBERS) return MEMBERS;
  finishValue(scanner, length);
  return member;
}

/** Goes on over the body's first `length` bytes at `body`; 16 more bytes must be readable. */
export function scan(scanner: usize, body: usize, length: u32): Scan {
  let state = <State>load<u8>(scanner, AT_STATE);
  let ptr = body + <usize>load<u32>(scanner);
  const end = body + <usize>length;
  while (ptr < end && state < State.Closed) {
    switch (state) {
      case State.Container: {
        const next = scanContainer(scanner, ptr, end);
        if (load<u32>(scanner, AT_DEPTH) == 0) {
          finishValue(scanner, <u32>(next - body));
          state = State.CommaOrEnd;
        } else if (load<u32>(scanner, AT_DEPTH) > <u32>DEPTH_MAX) state = State.Odd;
        ptr = next;
        break;
      }
      case State.String:
      case State.KeyString: {
        const next = scanString(ptr, end);
        if (next != 0) {
          if (state == State.String) {
            finishValue(scanner, <u32>(next - body));
            state = State.CommaOrEnd;
          } else state = finishKey(scanner, body, next - 1);
          ptr = next;
        } else ptr = end;
        break;
      }
      case State.Scalar: {
        const byte = <u32>load<u8>(ptr);
        if (byte == 0x2c || byte == 0x7d || isSpace(byte)) {
          finishValue(scanner, <u32>(ptr - body));
          state = State.CommaOrEnd;
        } else ptr++;
        break;
      }
      default: {
        const byte = <u32>load<u8>(ptr);
        if (!isSpace(byte)) state = structure(scanner, state, byte, <u32>(ptr - body));
        ptr++;
      }
    }
  }
  store<u32>(scanner, <u32>(ptr - body));
  store<u8>(scanner, <u8>state, AT_STATE);
  return state == State.Closed ? Scan.Closed : state == State.Odd ? Scan.Odd : Scan.More;
}

function structure(scanner: usize, state: State, byte: u32, offset: u32): State {
  switch (state) {
    case State.Begin:
      return byte == 0x7b ? State.KeyOrEnd : State.Odd;
    case State.KeyOrEnd:
      if (byte == 0x7d) return State.Closed;
    // fallthrough
    case State.Key:
      if (byte != 0x22) return State.Odd;
      store<u32>(scanner, offset + 1, AT_START);
      return State.KeyString;
    case State.Colon:
      return byte == 0x3a ? State.Value : State.Odd;
    case State.Value:
      store<u32>(scanner, offset, AT_START);
      if (byte == 0x22) return State.String;
      if (byte == 0x7b || byte == 0x5b) {
        store<u32>(scanner, 1, AT_DEPTH);
        return State.Container;
      }
      return byte == 0x2c || byte == 0x7d || byte == 0x5d || byte == 0x3a ? State.Odd : State.Scalar;
    case State.CommaOrEnd:
      if (byte == 0x2c) return State.Key;
      return byte == 0x7d ? State.Closed : State.Odd;
  }
  return State.Odd;
}

function finishValue(scanner: usize, end: u32): void {
  const member = <usize>load<u8>(scanner, AT_MEMBER);
  if (member >= <usize>MEMBERS) return;
  store<u32>(scanner + AT_SPANS + (member << 3), load<u32>(scanner, AT_START));
  store<u32>(scanner + AT_SPANS + (member << 3), end, 4);
}

/** A key with an escape in it may be any name: not followed. */
function finishKey(scanner: usize, body: usize, quote: usize): State {
  const start = body + <usize>load<u32>(scanner, AT_START);
  for (let ptr = start; ptr < quote; ptr++) if (load<u8>(ptr) == 0x5c) return State.Odd;
  store<u8>(scanner, <u8>memberOf(start, quote), AT_MEMBER);
  return State.Colon;
}

/** Goes on inside a string; returns the address behind its closing quote, 0 when it goes on. */
function scanString(ptr: usize, end: usize): usize {
  const quote = closingQuote(ptr, end);
  return quote < end ? quote + 1 : 0;
}

/** Goes on inside an array or object until its depth is 0 or the bytes end. */
function scanContainer(scanner: usize, ptr: usize, end: usize): usize {
  let depth = load<u32>(scanner, AT_DEPTH);
  if (load<u8>(scanner, AT_IN_STRING) != 0) {
    ptr = scanString(ptr, end);
    if (ptr == 0) return end;
    store<u8>(scanner, 0, AT_IN_STRING);
  }
  while (ptr < end) {
    const byte = load<u8>(ptr);
    ptr++;
    if (byte == 0x22) {
      ptr = scanString(ptr, end);
      if (ptr == 0) {
        store<u8>(scanner, 1, AT_IN_STRING);
        ptr = end;
      }
    } else if (byte == 0x7b || byte == 0x5b) {
      if (++depth > <u32>DEPTH_MAX) break;
    } else if (byte == 0x7d || byte == 0x5d) {
      if (--depth == 0) break;
    }
  }
  store<u32>(scanner, depth, AT_DEPTH);
  return ptr;
}
