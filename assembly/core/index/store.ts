// A decoded store event → blocks, chain states, keys.

import { keyOf, namespaceOf, P1, P2 } from '../prefix/chain';
import {
  AT_ACC,
  AT_NAMESPACE,
  AT_PARTIAL,
  AT_PHASE,
  addCopy,
  findBlock,
  giveKey,
  isResident,
  KEYS_MAX,
  putBlock,
  setChain,
} from './blocks';
import { NO_CREDIT, namespaceAt, shareNamespace, takeNamespace } from './namespaces';
import { chainStart, Slot, stride } from './plane';
import { appendToken, longestToken } from './tokens';

/** What became of a store. */
export enum Stored {
  Ok,
  /** The parent is not in the table. */
  Orphan,
  /** A token id without text. */
  UnknownToken,
  /** More keys in one block than a record can hold. */
  TooLong,
}

/** Blocks added and copies counted by the last `storeBlocks`. */
export let added: u32 = 0;
export let copied: u32 = 0;

let text: usize = 0;
let textRoom: u32 = 0;

const PARTIAL_MASK: u64 = 0x00ffffffffffffff;

/** Longest text that one block may have (bytes): engines write blocks of a few thousand tokens at most. */
const TEXT_BYTES_MAX: u64 = 1 << 26;

/** Room for the text of one block: a partial word, the tokens and 16 bytes that stores may overrun. False: longer than any block. */
function reserveText(tokens: u32): bool {
  const need = <u64>tokens * <u64>longestToken + 32;
  if (need <= <u64>textRoom) return true;
  if (need > TEXT_BYTES_MAX) return false;
  if (text != 0) heap.free(text);
  text = heap.alloc(<usize>need);
  textRoom = <u32>need;
  return true;
}

/**
 * Stores `count` blocks of `blockTokens` tokens each.
 * hashes: u64 each. tokens: u32 each. parentHash counts only when hasParent. creditFrom: index of the first block that earns no
 * credit (media and the like), `count` when all do. adapter, salt: hashes or 0; used for the first block of a chain only.
 */
export function storeBlocks(
  slot: Slot,
  hashes: usize,
  count: u32,
  tokens: usize,
  blockTokens: u32,
  hasParent: bool,
  parentHash: u64,
  adapter: u64,
  salt: u64,
  creditEnd: u32,
  namespaceSeed: u64,
): Stored {
  added = 0;
  copied = 0;
  let parent: u32 = 0;
  if (hasParent) {
    parent = findBlock(slot, parentHash);
    if (parent == 0) return Stored.Orphan;
  } else if (allResident(slot, hashes, count)) return Stored.Ok; // a full report and a second copy look the same

  if (!reserveText(blockTokens)) return Stored.TooLong;
  for (let i: u32 = 0; i < count; i++) {
    const hash = load<u64>(hashes + ((<usize>i) << 3));
    const known = findBlock(slot, hash);
    if (known != 0) {
      addCopy(slot, known);
      copied++;
      parent = known;
      continue;
    }
    const status = appendBlock(
      slot,
      hash,
      parent,
      tokens + ((<usize>(i * blockTokens)) << 2),
      blockTokens,
      i >= creditEnd,
      adapter,
      salt,
      namespaceSeed,
    );
    if (status != Stored.Ok) return status;
    parent = appended;
    added++;
  }
  return Stored.Ok;
}

function allResident(slot: Slot, hashes: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const number = findBlock(slot, load<u64>(hashes + ((<usize>i) << 3)));
    if (number == 0 || !isResident(slot, number)) return false;
  }
  return true;
}

let appended: u32 = 0;

function appendBlock(
  slot: Slot,
  hash: u64,
  parent: u32,
  tokens: usize,
  blockTokens: u32,
  creditless: bool,
  adapter: u64,
  salt: u64,
  namespaceSeed: u64,
): Stored {
  let acc = chainStart;
  let partial: u64 = 0;
  let phase: u32 = 0;
  let inherited: u32 = 0;
  if (parent != 0) {
    const above = slot.blocks.at(parent);
    acc = load<u64>(above, AT_ACC);
    partial = load<u64>(above, AT_PARTIAL) & PARTIAL_MASK;
    phase = <u32>load<u16>(above, AT_PHASE);
    inherited = load<u32>(above, AT_NAMESPACE);
  }
  store<u64>(text, partial);
  let end = text + <usize>(phase & 7);
  for (let i: u32 = 0; i < blockTokens; i++) {
    end = appendToken(load<u32>(tokens + ((<usize>i) << 2)), end);
    if (end == 0) return Stored.UnknownToken;
  }
  if (<u32>(end - text) / stride >= KEYS_MAX) return Stored.TooLong;

  let namespace: u32;
  if (creditless || inherited == NO_CREDIT) namespace = NO_CREDIT;
  else if (parent != 0) namespace = shareNamespace(inherited);
  else namespace = (adapter | salt) == 0 ? 0 : takeNamespace(namespaceOf(namespaceSeed, adapter, salt));

  const number = putBlock(slot, hash, parent, namespace);
  const value = namespace == NO_CREDIT ? 0 : namespaceAt(namespace);
  let ptr = text;
  let position = phase & ~7; // of ptr in its stride
  while (ptr + 8 <= end) {
    acc = rotl<u64>(acc + load<u64>(ptr) * P2, 31) * P1;
    ptr += 8;
    position += 8;
    if (position == stride) {
      position = 0;
      if (namespace != NO_CREDIT) giveKey(slot, number, keyOf(acc, value));
    }
  }
  const rest = <u32>(end - ptr);
  partial = rest == 0 ? 0 : load<u64>(ptr) & (((<u64>1) << ((<u64>rest) << 3)) - 1);
  setChain(slot, number, acc, partial, position + rest);
  appended = number;
  return Stored.Ok;
}
