// Event batches as engines write them, in the three layouts of facts on vLLM, section 2.
import { encode } from '@msgpack/msgpack';

export const LAYOUTS = ['arrays', 'maps', 'map batch'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** An engine's hash, and ids of any width. */
export type Hash = bigint | number | Uint8Array;

export interface StoredEvent {
  readonly type: 'BlockStored';
  readonly block_hashes: readonly Hash[];
  readonly parent_block_hash: Hash | null;
  readonly token_ids: readonly number[] | null;
  readonly block_size: number;
  readonly lora_id?: number | null;
  readonly medium?: string | null;
  readonly lora_name?: string | null;
  readonly extra_keys?: readonly (readonly unknown[] | null)[] | null;
  readonly group_idx?: number | null;
  readonly kv_cache_spec_kind?: string | null;
  readonly kv_cache_spec_sliding_window?: number | null;
  readonly locality?: string | null;
}
export interface RemovedEvent {
  readonly type: 'BlockRemoved';
  readonly block_hashes: readonly Hash[];
  readonly medium?: string | null;
  readonly group_idx?: number | null;
  readonly locality?: string | null;
}
export interface OtherEvent {
  readonly type: string;
}
export type Event = StoredEvent | RemovedEvent | OtherEvent;

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  BlockStored: [
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
  ],
  BlockRemoved: ['block_hashes', 'medium', 'group_idx', 'locality'],
};

/** Array form; `slots` fields at most, as older engines send. */
export function arrayOf(event: Event, slots = 13): unknown[] {
  const fields = event as unknown as Readonly<Record<string, unknown>>;
  return [event.type, ...(FIELDS[event.type] ?? []).map((name) => fields[name] ?? null)].slice(0, slots);
}

const OPTIONS = { useBigInt64: true, ignoreUndefined: true } as const;

export function batchOf(layout: Layout, events: readonly unknown[], rank: number | null = 0, ts = 1.5): Uint8Array {
  const shaped = layout === 'arrays' ? events.map((event) => (Array.isArray(event) ? event : arrayOf(event as Event))) : events;
  return layout === 'map batch' ? encode({ ts, events: shaped, data_parallel_rank: rank }, OPTIONS) : encode([ts, shaped, rank], OPTIONS);
}
