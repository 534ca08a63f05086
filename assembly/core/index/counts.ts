// What happened in the last batch, for the indexer to read: u32 each, in the order of `Counter`, then rank and time.
//
//   counters: u32 × COUNTERS | i32 rank, −1 = none | f64 time, seconds (unaligned)

export enum Counter {
  Events,
  Stored,
  Copies,
  Removed,
  Cleared,
  /** Skipped, by reason. */
  UnknownEvent,
  UnknownRemoved,
  Orphan,
  GroupKind,
  Medium,
  TokenCount,
  UnknownToken,
  BlockTooLong,
  Malformed,
  Count,
}

const table: usize = memory.data(<i32>Counter.Count * 4 + 12);
const RANK: usize = <usize>Counter.Count * 4;

export function countersPtr(): usize {
  return table;
}

export function resetCounters(): void {
  memory.fill(table, 0, RANK + 12);
  setRank(-1);
}

export function count(counter: Counter, n: u32): void {
  const ptr = table + ((<usize>counter) << 2);
  store<u32>(ptr, load<u32>(ptr) + n);
}

export function setRank(rank: i32): void {
  store<i32>(table + RANK, rank);
}

export function setTimestamp(seconds: f64): void {
  store<f64>(table + RANK + 4, seconds);
}
