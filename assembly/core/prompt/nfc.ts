// Would NFC change this text? An exact check that runs along UTF-8 in pieces, because most text needs no normalisation.
//
//   plain      most characters: nothing before or after them matters
//   starter    combining class 0; it and what follows, up to the next starter, are one segment
//   suspect    a mark, a follower (may change the starter before it), or a character that NFC never leaves
//
// Text is in NFC exactly when no suspect is refused, marks stand in the order of their classes, and no follower that is not blocked
// changes its starter (UAX #15; scripts/nfc-tables.mjs has the argument).
// Only suspects are looked at; the starter of one is found by looking back.
//
//   PAGES    u8  [code point >> 6]                    leaf
//   LEAVES   u16 [leaf][code point & 63]              record id; 0 is plain, below FIRST_SUSPECT a starter that followers change
//   RECORDS  u32 [id]   | rank u8 | follower u8 | row u8 | flags u8 |     rank: order of combining classes, 0 = starter
//   ROWS     ROW_BYTES [row]                          bit f: follower f changes a starter of this row
import { FIRST_SUSPECT, LEAVES, PAGE_COUNT, PAGES, PLAIN_LEADS, RECORDS, ROW_BYTES, ROWS } from './nfc-data';

export const NFC_STABLE: i32 = 0;
/** NFC would change the text; final until `nfcReset`. */
export const NFC_CHANGED: i32 = 1;
/** No UTF-8 at the offset returned; the state is that of the text before it, so a cut character may be handed in again, whole. */
export const NFC_INVALID: i32 = 2;

const HANGUL_VOWEL: u32 = 0xfe; // followers of algorithmic compositions
const HANGUL_TAIL: u32 = 0xff;
const REFUSED: u32 = 1;
const REFUSED_ALONE: u32 = 2; // and what NFC puts in its place does not join the starter before it
const NO_STARTER: u32 = 0xffffffff;

let status: i32 = NFC_STABLE;
let starter: u32 = NO_STARTER; // of the open segment
let rank: u32 = 0; // of the last mark after it
let open: isize = 0; // bytes from that starter to the end of the text so far

/** Begins a new text. */
export function nfcReset(): void {
  status = NFC_STABLE;
  starter = NO_STARTER;
  rank = 0;
  open = 0;
}

/** Outcome of the last `nfcStableLength`. */
export function nfcStatus(): i32 {
  return status;
}

/**
 * Bytes at the end of the text kept so far that later text may still change: the open segment. After NFC_CHANGED, how many bytes
 * before the last piece the changed segment begins (0 when inside it).
 */
export function nfcOpenBytes(): usize {
  return <usize>open;
}

/**
 * Takes the next piece of the text. Returns `length` when the text so far equals its NFC form. Otherwise fewer, with `nfcStatus`:
 * NFC_CHANGED, and the text is stable up to the segment that begins at the returned offset (or `nfcOpenBytes` before this piece, the
 * offset then being 0); NFC_INVALID, and the returned offset is that of the first byte that is not UTF-8.
 */
export function nfcStableLength(ptr: usize, length: usize): usize {
  if (status === NFC_CHANGED) return 0;
  status = NFC_STABLE;
  const end = ptr + length;
  let at = ptr;
  let known = ptr; // `starter`, `rank` and `segment` speak of the text up to here
  let segment = -open; // where the open segment begins, from `ptr`
  let block = ptr; // up to here characters are taken one by one
  while (at < end) {
    if (at >= block && at + 16 <= end) {
      const plain = skipPlain(at, end);
      block = plain + (plain - at < 8 ? 32 : 1); // dense suspects are cheaper one by one, a lone quotation mark is not
      at = plain;
      if (at >= end) break;
    }
    if (load<u8>(at) < 0x80) {
      at++;
      continue;
    }
    const decoded = decode(at, end);
    if (decoded === 0) {
      status = NFC_INVALID;
      break;
    }
    const code = decoded >> 3;
    const size = <usize>(decoded & 7);
    const id = recordId(code);
    if (id >= FIRST_SUSPECT) {
      if (at !== known) segment = <isize>(openBefore(at) - ptr);
      const record = load<u32>(RECORDS + ((<usize>id) << 2));
      if (changes(record)) {
        if ((record >> 24) & REFUSED_ALONE) segment = <isize>(at - ptr);
        status = NFC_CHANGED;
        open = max<isize>(-segment, 0);
        return <usize>max<isize>(segment, 0);
      }
      rank = record & 0xff;
      if (rank === 0) {
        starter = code;
        segment = <isize>(at - ptr);
      }
      known = at + size;
    }
    at += size;
  }
  if (at !== known) segment = <isize>(openBefore(at) - ptr);
  const taken = at - ptr;
  open = <isize>taken - segment;
  return taken;
}

/**
 * First byte that can begin U+0300 or above (≥ 0xCC), or `length`. Valid text without such a byte is in NFC; its last character may
 * still be changed by what follows, and the state does not learn of it.
 */
export function nfcFirstSuspect(ptr: usize, length: usize): usize {
  const end = ptr + length;
  const limit = i8x16.splat(<i8>0xcc);
  let at = ptr;
  while (at + 64 <= end) {
    const a = i8x16.max_u(v128.load(at), v128.load(at, 16));
    const b = i8x16.max_u(v128.load(at, 32), v128.load(at, 48));
    if (v128.any_true(i8x16.ge_u(i8x16.max_u(a, b), limit))) break;
    at += 64;
  }
  while (at + 16 <= end) {
    const found = i8x16.bitmask(i8x16.ge_u(v128.load(at), limit));
    if (found !== 0) return at + ctz(found) - ptr;
    at += 16;
  }
  while (at < end && load<u8>(at) < 0xcc) at++;
  return at - ptr;
}

/** Would a suspect of this record, at the end of the text that the state describes, be changed or change it? */
function changes(record: u32): bool {
  if ((record >> 24) & REFUSED) return true;
  const own = record & 0xff;
  if (own < rank) return own !== 0; // marks out of order, or a follower that a mark blocks
  if (own === rank && own !== 0) return false; // blocked by a mark of its own class
  const follower = (record >> 8) & 0xff;
  if (follower === HANGUL_VOWEL) return starter - 0x1100 < 19;
  if (follower === HANGUL_TAIL) return starter - 0xac00 < 11172 && (starter - 0xac00) % 28 === 0;
  const row = <usize>load<u8>(RECORDS + ((<usize>recordId(starter)) << 2), 2);
  return ((load<u8>(ROWS + row * ROW_BYTES + (follower >> 3)) >> (follower & 7)) & 1) !== 0;
}

function recordId(code: u32): u32 {
  const page = code >> 6;
  if (page >= PAGE_COUNT) return 0;
  const leaf = <usize>load<u8>(PAGES + page);
  return leaf === 0 ? 0 : <u32>load<u16>(LEAVES + (((leaf << 6) | (code & 63)) << 1));
}

/** Opens a segment with the character that ends at `at`, a valid one and no suspect; returns where it begins. */
function openBefore(at: usize): usize {
  let start = at - 1;
  let byte = <u32>load<u8>(start);
  let code: u32 = 0;
  let shift: u32 = 0;
  while (byte >> 6 === 2) {
    code |= (byte & 0x3f) << shift;
    shift += 6;
    byte = load<u8>(--start);
  }
  starter = shift === 0 ? byte : code | ((byte & (0x7f >> (shift / 6 + 1))) << shift);
  rank = 0;
  return start;
}

/** The character at `at`, not ASCII: code point << 3 | bytes, or 0 when no valid one ends by `end`. */
function decode(at: usize, end: usize): u32 {
  const left = end - at;
  let bytes: u32;
  if (left >= 4) bytes = load<u32>(at);
  else {
    bytes = load<u8>(at);
    if (left > 1) bytes |= (<u32>load<u8>(at, 1)) << 8;
    if (left > 2) bytes |= (<u32>load<u8>(at, 2)) << 16;
  }
  if ((bytes & 0xc0c0f0) === 0x8080e0) {
    const code = ((bytes & 0xf) << 12) | ((bytes >> 2) & 0xfc0) | ((bytes >> 16) & 0x3f);
    return code < 0x800 || code >> 11 === 0x1b ? 0 : (code << 3) | 3;
  }
  if ((bytes & 0xc0e0) === 0x80c0) {
    const code = ((bytes & 0x1f) << 6) | ((bytes >> 8) & 0x3f);
    return code < 0x80 ? 0 : (code << 3) | 2;
  }
  if ((bytes & 0xc0c0c0f8) !== 0x808080f0) return 0;
  const code = ((bytes & 7) << 18) | ((bytes << 4) & 0x3f000) | ((bytes >> 10) & 0xfc0) | ((bytes >> 24) & 0x3f);
  return code - 0x10000 < 0x100000 ? (code << 3) | 4 : 0;
}

/**
 * Skips 16 bytes at a time while every lead byte among them has only plain characters and each has its continuation bytes. `at` is a
 * character's start; so is the result, unless a stray continuation byte stands there.
 */
function skipPlain(at: usize, end: usize): usize {
  const leadsC = v128.load(PLAIN_LEADS);
  const leadsD = v128.load(PLAIN_LEADS, 16);
  const leadsE = v128.load(PLAIN_LEADS, 32);
  while (at + 16 <= end) {
    while (at + 64 <= end) {
      const a = v128.or(v128.load(at), v128.load(at, 16));
      const b = v128.or(v128.load(at, 32), v128.load(at, 48));
      if (i8x16.bitmask(v128.or(a, b)) !== 0) break;
      at += 64;
    }
    if (at + 16 > end) break;
    const bytes = v128.load(at);
    const high = i8x16.bitmask(bytes);
    if (high === 0) {
      at += 16;
      continue;
    }
    const c = i8x16.swizzle(leadsC, i8x16.sub(bytes, i8x16.splat(<i8>0xc0)));
    const d = i8x16.swizzle(leadsD, i8x16.sub(bytes, i8x16.splat(<i8>0xd0)));
    const three = i8x16.bitmask(i8x16.swizzle(leadsE, i8x16.sub(bytes, i8x16.splat(<i8>0xe0))));
    const leads = i8x16.bitmask(v128.or(c, d)) | three;
    const continuations = i8x16.bitmask(i8x16.lt_s(bytes, i8x16.splat(-64)));
    const expected = (leads << 1) | (three << 2);
    const wrong = (high ^ (leads | continuations)) | ((expected & 0xffff) ^ continuations);
    if (wrong !== 0) {
      const fault = ctz(wrong);
      const cut = (expected >> fault) & 1; // a character before it lacks its end
      return at + (cut ? 31 - clz(leads & ((1 << fault) - 1)) : fault);
    }
    at += 16 - (leads >> 15 ? 1 : (three >> 14) & 1 ? 2 : 0);
  }
  return at;
}
