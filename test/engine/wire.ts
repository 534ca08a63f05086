// KV events as vLLM writes them: msgspec structs in msgpack, in the three layouts that were ever sent.
import { encode } from '@msgpack/msgpack';
import type { BlockHash, KvEvent } from './kv-events.js';
import type { EventLayout } from './options.js';

export interface WireOptions {
  readonly layout: EventLayout;
  readonly hashes: 'uint64' | 'bytes';
  readonly rank: number | null;
}

const MEDIUM = 'GPU';
const GROUP = 0;
const SPEC_KIND = 'full_attention';

export function encodeBatch(events: readonly KvEvent[], timestampSeconds: number, options: WireOptions): Uint8Array {
  const hash = options.hashes === 'bytes' ? hashBytes : hashInteger;
  const encoded = events.map((event) => (options.layout === 'arrays' ? arrayEvent(event, hash) : mapEvent(event, hash)));
  // a whole number would be written as an integer, which vLLM's float never is
  const ts = Number.isInteger(timestampSeconds) ? timestampSeconds + 1e-6 : timestampSeconds;
  const batch = options.layout === 'map-batch' ? { ts, events: encoded, data_parallel_rank: options.rank } : [ts, encoded, options.rank];
  return encode(batch, { useBigInt64: true, initialBufferSize: 4096 });
}

type EncodeHash = (hash: BlockHash) => bigint | Uint8Array;

/** The low 64 bits. */
export const hashInteger: EncodeHash = (hash) => Buffer.from(hash, 'latin1').readBigUInt64BE(24);
const hashBytes: EncodeHash = (hash) => Buffer.from(hash, 'latin1');

function arrayEvent(event: KvEvent, hash: EncodeHash): unknown[] {
  if (event.type === 'AllBlocksCleared') return [event.type];
  const hashes = event.blockHashes.map(hash);
  if (event.type === 'BlockRemoved') return [event.type, hashes, MEDIUM, GROUP];
  const parent = event.parentBlockHash === null ? null : hash(event.parentBlockHash);
  const { tokenIds, blockSize, loraId, loraName, extraKeys } = event;
  return [event.type, hashes, parent, tokenIds, blockSize, loraId, MEDIUM, loraName, extraKeys, GROUP, SPEC_KIND, null];
}

function mapEvent(event: KvEvent, hash: EncodeHash): Record<string, unknown> {
  if (event.type === 'AllBlocksCleared') return { type: event.type };
  const block_hashes = event.blockHashes.map(hash);
  if (event.type === 'BlockRemoved') return { type: event.type, block_hashes, medium: MEDIUM, group_idx: GROUP };
  return {
    type: event.type,
    block_hashes,
    parent_block_hash: event.parentBlockHash === null ? null : hash(event.parentBlockHash),
    token_ids: event.tokenIds,
    block_size: event.blockSize,
    lora_id: event.loraId,
    medium: MEDIUM,
    lora_name: event.loraName,
    extra_keys: event.extraKeys,
    group_idx: GROUP,
    kv_cache_spec_kind: SPEC_KIND,
    ...(event.sessionId !== null && { session_id: event.sessionId }),
  };
}
