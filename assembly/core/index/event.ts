// One event, read from either layout into the variables below: the fields that matter, in any order, absent ones as their defaults.
// The next `readEvent` overwrites them.

import * as msgpack from '../bytes/msgpack';
import { Kind } from '../bytes/msgpack';
import { textHash } from '../prefix/chain';
import {
  ALL_BLOCKS_CLEARED,
  BLOCK_HASHES,
  BLOCK_REMOVED,
  BLOCK_SIZE,
  BLOCK_STORED,
  CACHE_SALT,
  EXTRA_KEYS,
  FULL_ATTENTION,
  GPU,
  GROUP_IDX,
  is,
  KV_CACHE_SPEC_KIND,
  LOCALITY,
  LORA_ID,
  LORA_NAME,
  MEDIUM,
  MLA_ATTENTION,
  PARENT_BLOCK_HASH,
  REMOTE,
  SINK_FULL_ATTENTION,
  TOKEN_IDS,
  TYPE,
} from './names';

/** Most tokens and hashes of one event: a step's, or a whole prompt's in a full report. Pages that are not used cost nothing. */
export const IDS_MAX: u32 = 1 << 20;

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

/** What an event is. */
export enum Event {
  Unknown,
  Stored,
  Removed,
  Cleared,
}

/** Engine hashes, u64 each. */
export const hashes = heap.alloc((<usize>IDS_MAX) << 3);
/** Token ids, u32 each. */
export const tokens = heap.alloc((<usize>IDS_MAX) << 2);

export let type: Event = Event.Unknown;
export let hashCount: u32 = 0;
export let hasParent: bool = false;
export let parentHash: u64 = 0;
export let tokenCount: u32 = 0;
export let hasTokens: bool = false;
export let blockSize: u64 = 0;
export let hasLoraId: bool = false;
export let loraNamePtr: usize = 0;
export let loraNameLength: u32 = 0;
export let namedSalt: u64 = 0;
export let extraKeysAt: usize = 0;
export let onGpu: bool = true;
export let local: bool = true;
export let group: u64 = 0;
export let fullAttention: bool = true;

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

/** Reads the event at the cursor; `msgpack.failed` when a field has a value of another type. */
export function readEvent(): void {
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
