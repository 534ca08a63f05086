// The id→bytes table, laid out for speed: one load tells a short token's bytes and length.
//
//   entry (u64), short token:  byte 0..6 = its bytes, byte 7 = length 0..7
//   entry, long token:         low u32 = offset into the long bytes, bits 32..55 = length, byte 7 = 255
//   entry, unknown id:         byte 7 = UNKNOWN

const UNKNOWN: u64 = 0xfe;

let entries: usize = 0;
let longBytes: usize = 0;
let size: u32 = 0;

/** Longest token of the table (bytes). */
export let longestToken: u32 = 7;

/** Room for `count` entries and `bytes` long bytes; returns the address of the entries. */
export function reserveTokens(count: u32, bytes: u32): usize {
  if (entries != 0) heap.free(entries);
  if (longBytes != 0) heap.free(longBytes);
  entries = heap.alloc((<usize>count) << 3);
  longBytes = heap.alloc(<usize>bytes + 8);
  size = count;
  longestToken = 7;
  return entries;
}

export function longTokenBytes(): usize {
  return longBytes;
}

export function setLongestToken(bytes: u32): void {
  longestToken = max<u32>(bytes, 7);
}

/**
 * Appends the bytes of one token to `target` and returns the address behind them, or 0 when the id is unknown.
 * Writes up to 8 bytes past the end of a short token: leave room.
 */
export function appendToken(id: u32, target: usize): usize {
  if (id >= size) return 0;
  const entry = load<u64>(entries + ((<usize>id) << 3));
  const length = entry >> 56;
  if (length < 8) {
    store<u64>(target, entry);
    return target + <usize>length;
  }
  if (length == UNKNOWN) return 0;
  const bytes = <usize>((entry >> 32) & 0xffffff);
  memory.copy(target, longBytes + <usize>(<u32>entry), bytes);
  return target + bytes;
}
