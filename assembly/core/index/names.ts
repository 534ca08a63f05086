// Names in event batches, as vLLM spells them (facts on vLLM, section 2), ready to be compared with a text just read.
//
//   a name: u32 length │ UTF-8 bytes

import { textIs } from '../bytes/msgpack';

function utf8(text: string): usize {
  const length = String.UTF8.byteLength(text);
  const ptr = heap.alloc(4 + <usize>length);
  store<u32>(ptr, length);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, ptr + 4);
  return ptr;
}

export const TYPE = utf8('type');
export const BLOCK_HASHES = utf8('block_hashes');
export const PARENT_BLOCK_HASH = utf8('parent_block_hash');
export const TOKEN_IDS = utf8('token_ids');
export const BLOCK_SIZE = utf8('block_size');
export const LORA_ID = utf8('lora_id');
export const MEDIUM = utf8('medium');
export const LORA_NAME = utf8('lora_name');
export const EXTRA_KEYS = utf8('extra_keys');
export const CACHE_SALT = utf8('cache_salt');
export const GROUP_IDX = utf8('group_idx');
export const KV_CACHE_SPEC_KIND = utf8('kv_cache_spec_kind');
export const LOCALITY = utf8('locality');
export const TS = utf8('ts');
export const EVENTS = utf8('events');
export const DATA_PARALLEL_RANK = utf8('data_parallel_rank');
export const BLOCK_STORED = utf8('BlockStored');
export const BLOCK_REMOVED = utf8('BlockRemoved');
export const ALL_BLOCKS_CLEARED = utf8('AllBlocksCleared');
export const GPU = utf8('GPU');
export const REMOTE = utf8('REMOTE');
export const FULL_ATTENTION = utf8('full_attention');
export const MLA_ATTENTION = utf8('mla_attention');
export const SINK_FULL_ATTENTION = utf8('sink_full_attention');

/** Whether the last text read is this name. */
export function is(name: usize): bool {
  return textIs(name + 4, load<u32>(name));
}
