// Batches that core does not read itself: decoded by @msgpack/msgpack and written again in the array layout that core knows.
// Source: facts on vLLM, sections 2 and 7.
import { decode, encode } from '@msgpack/msgpack';

/** Fields of a stored block in array order; 0 is the tag. */
const STORED = [
  'block_hashes',
  'parent_block_hash',
  'token_ids',
  'block_size',
  'lora_id',
  'medium',
  'lora_name',
  'extra_keys',
  'group_idx',
  'kv_cache_spec_kind',
  'kv_cache_spec_sliding_window',
  'locality',
] as const;
const REMOVED = ['block_hashes', 'medium', 'group_idx', 'locality'] as const;
const FIELDS: ReadonlyMap<unknown, readonly string[]> = new Map<unknown, readonly string[]>([
  ['BlockStored', STORED],
  ['BlockRemoved', REMOVED],
  ['AllBlocksCleared', []],
]);

interface Batch {
  readonly timestamp: number;
  readonly rank: number | null;
  readonly events: readonly unknown[];
}

/** The same batch in canonical layout; undefined when it is no batch at all. */
export function canonicalBatch(payload: Uint8Array): Uint8Array | undefined {
  const batch = readBatch(payload);
  if (!batch) return undefined;
  return encode([batch.timestamp, batch.events.map(canonicalEvent), batch.rank], { useBigInt64: true });
}

/** Time and rank of a batch, without its events where the layout allows it. Undefined: unreadable. */
export function peekBatch(payload: Uint8Array): { timestamp: number; rank: number | null } | undefined {
  const size = payload[0];
  if ((size === 0x92 || size === 0x93) && payload[1] === 0xcb && payload.length > 10) {
    const timestamp = new DataView(payload.buffer, payload.byteOffset + 2, 8).getFloat64(0);
    const tail = payload[payload.length - 1]!;
    if (size === 0x92 || tail === 0xc0) return { timestamp, rank: null };
    if (tail < 0x80) return { timestamp, rank: tail };
  }
  return readBatch(payload);
}

function readBatch(payload: Uint8Array): Batch | undefined {
  let value: unknown;
  try {
    value = decode(payload, { useBigInt64: true });
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const map = value as Record<string, unknown>;
  const [timestamp, events, rank] = Array.isArray(value) ? value : [map.ts, map.events, map.data_parallel_rank ?? map.attn_dp_rank];
  if (!Array.isArray(events)) return undefined;
  return { timestamp: toNumber(timestamp) ?? 0, rank: toNumber(rank) ?? null, events };
}

const toNumber = (value: unknown): number | undefined =>
  typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined;

/** An event that we do not know is left as it is: core counts and skips it. */
function canonicalEvent(event: unknown): unknown {
  if (typeof event !== 'object' || event === null) return event;
  const list = Array.isArray(event) ? event : undefined;
  const map = event as Record<string, unknown>;
  const type = list ? list[0] : map.type;
  const fields = FIELDS.get(type);
  if (!fields) return event;
  const values = list ? list.slice(1) : fields.map((name) => map[name] ?? null);
  if (fields.length === 0) return [type];
  const canonical = values.map((value) => value ?? null);
  canonical[0] = unsignedAll(canonical[0]);
  if (type === 'BlockStored') {
    canonical[1] = unsigned(canonical[1]);
    // SGLang names the salt, where vLLM puts it into the first block's extra keys.
    if (!list && canonical[7] === null && typeof map.cache_salt === 'string') canonical[7] = [[map.cache_salt]];
  }
  return [type, ...canonical];
}

/** SGLang and old vLLM send signed hashes; the bits are what counts. */
const unsigned = (hash: unknown): unknown =>
  typeof hash === 'bigint' ? BigInt.asUintN(64, hash) : typeof hash === 'number' && hash < 0 ? BigInt.asUintN(64, BigInt(hash)) : hash;
const unsignedAll = (hashes: unknown): unknown => (Array.isArray(hashes) ? hashes.map(unsigned) : hashes);
