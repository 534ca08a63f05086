// One event batch, read straight from its MessagePack bytes and applied to a slot. All layouts of facts on vLLM, section 2:
//
//   batch   array [ts, events, rank?]            or map {ts, events, data_parallel_rank}
//   event   array [type, field, field, …]        or map {type, field: value, …}
//
// An event that cannot be used is counted and skipped, never its batch. A batch that cannot be read at all changes nothing.

import * as msgpack from '../bytes/msgpack';
import { Kind } from '../bytes/msgpack';
import { textHash } from '../prefix/chain';
import { clearSlot, countGivenKeys, removeCopy, sweepReachability, touchBlocks } from './blocks';
import { Counter, count, resetCounters, setRank, setTimestamp } from './counts';
import {
  blockSize,
  Event,
  extraKeysAt,
  fullAttention,
  group,
  hashCount,
  hashes,
  hasLoraId,
  hasParent,
  hasTokens,
  IDS_MAX,
  local,
  loraNameLength,
  loraNamePtr,
  namedSalt,
  onGpu,
  parentHash,
  readEvent,
  tokenCount,
  tokens,
  type,
} from './event';
import { DATA_PARALLEL_RANK, EVENTS, is, TS } from './names';
import { namespaceSeed, Slot } from './plane';
import { added, copied, Stored, storeBlocks } from './store';

/** Applies the batch of `length` bytes at `ptr`. False: not a batch, nothing was changed. Counts: counts.ts. */
export function applyBatch(slot: Slot, ptr: usize, length: usize): bool {
  resetCounters();
  msgpack.open(ptr, length);
  const events = findEvents();
  if (events == 0) return false;
  const end = ptr + length;
  msgpack.open(events, end - events);
  for (let left = msgpack.readArray(); left != 0; left--) {
    count(Counter.Events, 1);
    const start = msgpack.position();
    readEvent();
    if (msgpack.failed) {
      // A value of another type than the field has. The batch was passed over as a whole before, so the event has an end.
      count(Counter.Malformed, 1);
      msgpack.open(start, end - start);
      msgpack.skip();
    } else applyEvent(slot);
  }
  removeLeaving(slot);
  if (slot.sweep) sweepReachability(slot);
  return true;
}

/** Reads the batch's frame; returns where its events are, 0 if this is no batch. */
function findEvents(): usize {
  let events: usize = 0;
  const kind = msgpack.peek();
  if (kind == Kind.Array) {
    const count = msgpack.readArray();
    if (count < 2) return 0;
    setTimestamp(msgpack.readFloat());
    events = msgpack.position();
    if (msgpack.peek() != Kind.Array) return 0;
    msgpack.skip();
    if (count > 2) readRank();
  } else if (kind == Kind.Map) {
    let count = msgpack.readMap();
    while (count != 0 && !msgpack.failed) {
      count--;
      msgpack.readText();
      if (is(TS)) setTimestamp(msgpack.readFloat());
      else if (is(EVENTS)) {
        events = msgpack.position();
        if (msgpack.peek() != Kind.Array) return 0;
        msgpack.skip();
      } else if (is(DATA_PARALLEL_RANK)) readRank();
      else msgpack.skip();
    }
  }
  return msgpack.failed ? 0 : events;
}

function readRank(): void {
  if (msgpack.peek() == Kind.Integer) setRank(<i32>msgpack.readInteger());
  else msgpack.skip();
}

/** Groups may use the same hash values (facts on vLLM, section 6): the group is part of the handle. */
function handle(hash: u64): u64 {
  return hash ^ (group * 0x9e3779b97f4a7c15);
}

/** Blocks of remove events in a row: engines send an event for each, and several at a time cost half as much (`touchBlocks`). */
const LEAVING_MAX: u32 = 64;
const leavers: usize = memory.data(64 * 8);
let leaving: u32 = 0;

/** A remove names no group kind: of groups that earn no credit nothing is in the table. */
function removeLeaving(slot: Slot): void {
  if (leaving == 0) return;
  touchBlocks(slot, leavers, leaving);
  for (let i: u32 = 0; i < leaving; i++) {
    const known = removeCopy(slot, load<u64>(leavers + ((<usize>i) << 3)));
    count(known ? Counter.Removed : Counter.UnknownRemoved, 1);
  }
  leaving = 0;
}

function applyEvent(slot: Slot): void {
  if (type == Event.Unknown) {
    count(Counter.UnknownEvent, 1);
    return;
  }
  if (type == Event.Cleared) {
    removeLeaving(slot);
    clearSlot(slot);
    count(Counter.Cleared, 1);
    return;
  }
  if (!onGpu || !local) {
    count(Counter.Medium, 1);
    return;
  }
  if (type == Event.Removed) {
    for (let i: u32 = 0; i < hashCount; i++) {
      if (leaving == LEAVING_MAX) removeLeaving(slot);
      store<u64>(leavers + ((<usize>leaving) << 3), handle(load<u64>(hashes + ((<usize>i) << 3))));
      leaving++;
    }
    return;
  }
  removeLeaving(slot);
  applyStore(slot);
}

function applyStore(slot: Slot): void {
  if (!fullAttention) {
    count(Counter.GroupKind, 1);
    return;
  }
  if (hashCount == 0 || !hasTokens || blockSize == 0 || blockSize > <u64>IDS_MAX || <u64>hashCount * blockSize != <u64>tokenCount) {
    count(Counter.TokenCount, 1);
    return;
  }
  let adapter: u64 = 0;
  if (loraNameLength != 0) adapter = textHash(loraNamePtr, loraNameLength);
  readExtraKeys(!hasParent);
  let creditEnd = firstOdd;
  if (hasLoraId && loraNameLength == 0) creditEnd = 0;
  for (let i: u32 = 0; i < hashCount; i++) {
    const ptr = hashes + ((<usize>i) << 3);
    store<u64>(ptr, handle(load<u64>(ptr)));
  }
  touchBlocks(slot, hashes, hashCount);
  const status = storeBlocks(
    slot,
    hashes,
    hashCount,
    tokens,
    <u32>blockSize,
    hasParent,
    handle(parentHash),
    adapter,
    salt,
    creditEnd,
    namespaceSeed,
  );
  countGivenKeys(slot);
  count(Counter.Stored, added);
  count(Counter.Copies, copied);
  if (status == Stored.Orphan) count(Counter.Orphan, 1);
  else if (status == Stored.UnknownToken) count(Counter.UnknownToken, 1);
  else if (status == Stored.TooLong) count(Counter.BlockTooLong, 1);
}

let salt: u64 = 0;
let firstOdd: u32 = 0;

/**
 * Extra keys per block: the adapter's name again, the salt (first block of a chain only), or what earns no credit: media
 * (a tuple) and hashes of prompt embeddings. Sets `salt` and `firstOdd`, the first block with one of the latter.
 */
function readExtraKeys(root: bool): void {
  salt = root ? namedSalt : 0;
  firstOdd = hashCount;
  if (extraKeysAt == 0) return;
  const back = msgpack.position();
  msgpack.seek(extraKeysAt);
  const blocks = min<u32>(msgpack.readArray(), hashCount);
  for (let i: u32 = 0; i < blocks && !msgpack.failed; i++) {
    if (msgpack.takeNil()) continue;
    if (msgpack.peek() != Kind.Array) {
      firstOdd = min<u32>(firstOdd, i);
      msgpack.skip();
      continue;
    }
    let adapterNamed = loraNameLength == 0; // its name stands first; the same text again is a salt
    let left = msgpack.readArray();
    while (left != 0 && !msgpack.failed) {
      left--;
      if (msgpack.peek() != Kind.String) {
        firstOdd = min<u32>(firstOdd, i);
        msgpack.skip();
        continue;
      }
      msgpack.readText();
      if (!adapterNamed && msgpack.textIs(loraNamePtr, loraNameLength)) {
        adapterNamed = true;
        continue;
      }
      if (root && i == 0 && salt == 0) salt = textHash(msgpack.textPtr, msgpack.textLength);
      else firstOdd = min<u32>(firstOdd, i);
    }
  }
  msgpack.seek(back);
}
