// One event batch, read straight from its MessagePack bytes and applied to a slot. All layouts of facts on vLLM, section 2:
//
//   batch   array [ts, events, rank?]            or map {ts, events, data_parallel_rank}
//   event   array [type, field, field, …]        or map {type, field: value, …}
//
// An event that cannot be used is counted and skipped, never its batch. A batch that cannot be read at all changes nothing.

import * as msgpack from '../bytes/msgpack';
import { Kind } from '../bytes/msgpack';
import { textHash } from '../prefix/chain';
import { clearSlot, removeCopy, sweepReachability } from './blocks';
import { Counter, count, resetCounters, setRank, setTimestamp } from './counts';
import { namespaceSeed, Slot } from './plane';
import { added, copied, Stored, storeBlocks } from './store';

/** Most tokens and hashes of one event. */
const IDS_MAX: u32 = 1 << 17;

/** Fields of an event, by their position in the array layout of BlockStored. */
enum Field {
  Type,
  Hashes,
  Parent,
  Tokens,
  BlockSize,
  LoraId,
  Medium,
  LoraName,
  ExtraKeys,
  Group,
  GroupKind,
  Window,
  Locality,
  Other,
  /** Of SGLang's maps only: in arrays it has no place of its own. */
  Salt,
}

enum Event {
  Unknown,
  Stored,
  Removed,
  Cleared,
}

function utf8(text: string): usize {
  const length = String.UTF8.byteLength(text);
  const ptr = heap.alloc(4 + <usize>length);
  store<u32>(ptr, length);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, ptr + 4);
  return ptr;
}

const TYPE = utf8('type');
const BLOCK_HASHES = utf8('block_hashes');
const PARENT_BLOCK_HASH = utf8('parent_block_hash');
const TOKEN_IDS = utf8('token_ids');
const BLOCK_SIZE = utf8('block_size');
const LORA_ID = utf8('lora_id');
const MEDIUM = utf8('medium');
const LORA_NAME = utf8('lora_name');
const EXTRA_KEYS = utf8('extra_keys');
const CACHE_SALT = utf8('cache_salt');
const GROUP_IDX = utf8('group_idx');
const KV_CACHE_SPEC_KIND = utf8('kv_cache_spec_kind');
const LOCALITY = utf8('locality');
const TS = utf8('ts');
const EVENTS = utf8('events');
const DATA_PARALLEL_RANK = utf8('data_parallel_rank');
const BLOCK_STORED = utf8('BlockStored');
const BLOCK_REMOVED = utf8('BlockRemoved');
const ALL_BLOCKS_CLEARED = utf8('AllBlocksCleared');
const GPU = utf8('GPU');
const REMOTE = utf8('REMOTE');
const FULL_ATTENTION = utf8('full_attention');
const MLA_ATTENTION = utf8('mla_attention');
const SINK_FULL_ATTENTION = utf8('sink_full_attention');

function is(name: usize): bool {
  return msgpack.textIs(name + 4, load<u32>(name));
}

const hashes = heap.alloc((<usize>IDS_MAX) << 3);
const tokens = heap.alloc((<usize>IDS_MAX) << 2);

// The event being read.
let type: Event = Event.Unknown;
let hashCount: u32 = 0;
let hasParent: bool = false;
let parentHash: u64 = 0;
let tokenCount: u32 = 0;
let hasTokens: bool = false;
let blockSize: u64 = 0;
let hasLoraId: bool = false;
let loraNamePtr: usize = 0;
let loraNameLength: u32 = 0;
let namedSalt: u64 = 0;
let extraKeysAt: usize = 0;
let onGpu: bool = true;
let local: bool = true;
let group: u64 = 0;
let fullAttention: bool = true;

function resetEvent(): void {
  type = Event.Unknown;
  hashCount = 0;
  hasParent = false;
  tokenCount = 0;
  hasTokens = false;
  blockSize = 0;
  hasLoraId = false;
  loraNameLength = 0;
  namedSalt = 0;
  extraKeysAt = 0;
  onGpu = true;
  local = true;
  group = 0;
  fullAttention = true;
}

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

function readEvent(): void {
  resetEvent();
  if (msgpack.peek() == Kind.Map) {
    let left = msgpack.readMap();
    while (left != 0 && !msgpack.failed) {
      left--;
      msgpack.readText();
      readField(fieldOfName());
    }
    return;
  }
  if (msgpack.peek() != Kind.Array) {
    msgpack.skip();
    return;
  }
  const fields = msgpack.readArray();
  for (let i: u32 = 0; i < fields && !msgpack.failed; i++) readField(fieldOfPosition(i));
}

function fieldOfName(): Field {
  switch (msgpack.textLength) {
    case 4:
      if (is(TYPE)) return Field.Type;
      break;
    case 6:
      if (is(MEDIUM)) return Field.Medium;
      break;
    case 7:
      if (is(LORA_ID)) return Field.LoraId;
      break;
    case 8:
      if (is(LOCALITY)) return Field.Locality;
      break;
    case 9:
      if (is(TOKEN_IDS)) return Field.Tokens;
      if (is(LORA_NAME)) return Field.LoraName;
      if (is(GROUP_IDX)) return Field.Group;
      break;
    case 10:
      if (is(BLOCK_SIZE)) return Field.BlockSize;
      if (is(EXTRA_KEYS)) return Field.ExtraKeys;
      if (is(CACHE_SALT)) return Field.Salt;
      break;
    case 12:
      if (is(BLOCK_HASHES)) return Field.Hashes;
      break;
    case 17:
      if (is(PARENT_BLOCK_HASH)) return Field.Parent;
      break;
    case 18:
      if (is(KV_CACHE_SPEC_KIND)) return Field.GroupKind;
      break;
  }
  return Field.Other;
}

function fieldOfPosition(i: u32): Field {
  if (i == 0) return Field.Type;
  if (type == Event.Stored) return i < <u32>Field.Other ? <Field>i : Field.Other;
  if (type == Event.Removed) {
    switch (i) {
      case 1:
        return Field.Hashes;
      case 2:
        return Field.Medium;
      case 3:
        return Field.Group;
      case 4:
        return Field.Locality;
    }
  }
  return Field.Other;
}

function readField(field: Field): void {
  switch (field) {
    case Field.Type:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      if (is(BLOCK_STORED)) type = Event.Stored;
      else if (is(BLOCK_REMOVED)) type = Event.Removed;
      else if (is(ALL_BLOCKS_CLEARED)) type = Event.Cleared;
      return;
    case Field.Hashes:
      if (msgpack.peek() != Kind.Array) break;
      readHashes();
      return;
    case Field.Parent:
      if (msgpack.takeNil()) return;
      parentHash = msgpack.readHandle();
      hasParent = true;
      return;
    case Field.Tokens:
      if (msgpack.peek() != Kind.Array) break;
      tokenCount = msgpack.readIdsInto(tokens, IDS_MAX);
      hasTokens = true;
      return;
    case Field.BlockSize:
      if (msgpack.peek() != Kind.Integer) break;
      blockSize = msgpack.readInteger();
      return;
    case Field.LoraId:
      hasLoraId = msgpack.peek() == Kind.Integer;
      break;
    case Field.Medium:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      onGpu = is(GPU);
      return;
    case Field.LoraName:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      loraNamePtr = msgpack.textPtr;
      loraNameLength = msgpack.textLength;
      return;
    case Field.Salt:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      if (msgpack.textLength != 0) namedSalt = textHash(msgpack.textPtr, msgpack.textLength);
      return;
    case Field.ExtraKeys:
      if (msgpack.peek() == Kind.Array) extraKeysAt = msgpack.position();
      break;
    case Field.Group:
      if (msgpack.peek() != Kind.Integer) break;
      group = msgpack.readInteger();
      return;
    case Field.GroupKind:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      fullAttention = is(FULL_ATTENTION) || is(MLA_ATTENTION) || is(SINK_FULL_ATTENTION);
      return;
    case Field.Locality:
      if (msgpack.peek() != Kind.String) break;
      msgpack.readText();
      local = !is(REMOTE);
      return;
  }
  msgpack.skip();
}

function readHashes(): void {
  hashCount = msgpack.readArray();
  if (hashCount > IDS_MAX) {
    msgpack.fail();
    return;
  }
  for (let i: u32 = 0; i < hashCount; i++) store<u64>(hashes + ((<usize>i) << 3), msgpack.readHandle());
}

/** Groups may use the same hash values (facts on vLLM, section 6): the group is part of the handle. */
function handle(hash: u64): u64 {
  return hash ^ (group * 0x9e3779b97f4a7c15);
}

function applyEvent(slot: Slot): void {
  if (type == Event.Unknown) {
    count(Counter.UnknownEvent, 1);
    return;
  }
  if (type == Event.Cleared) {
    clearSlot(slot);
    count(Counter.Cleared, 1);
    return;
  }
  if (!onGpu || !local) {
    count(Counter.Medium, 1);
    return;
  }
  if (type == Event.Removed) {
    // A remove names no group kind: of groups that earn no credit nothing is in the table.
    for (let i: u32 = 0; i < hashCount; i++) {
      const known = removeCopy(slot, handle(load<u64>(hashes + ((<usize>i) << 3))));
      count(known ? Counter.Removed : Counter.UnknownRemoved, 1);
    }
    return;
  }
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
