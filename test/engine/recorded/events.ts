// A recording's events in our own terms: the engine's hashes are opaque, so each block gets the hash that our engine would give it.
import { decode } from '@msgpack/msgpack';
import { type MsgLine, messageOf } from '../../fixtures/recording.js';
import type { BlockHasher } from '../block-hash.js';
import type { BlockHash, KvEvent } from '../kv-events.js';

type WireHash = bigint | number | Uint8Array;

export interface WireEvent {
  readonly type: string;
  readonly block_hashes: readonly WireHash[];
  readonly parent_block_hash: WireHash | null;
  readonly token_ids: readonly number[];
  readonly block_size: number;
  readonly lora_id: number | null;
  readonly lora_name: string | null;
  readonly extra_keys: readonly (readonly string[] | null)[] | null;
  readonly session_id?: string | null;
}

/** One event of a decoded batch, of either layout, by field name. */
// biome-ignore lint/suspicious/noExplicitAny: whatever msgpack holds
export function namedEvent(e: any): WireEvent {
  if (!Array.isArray(e)) return e as WireEvent;
  const [type, block_hashes, parent_block_hash, token_ids, block_size, lora_id, , lora_name, extra_keys] = e;
  return { type, block_hashes, parent_block_hash, token_ids, block_size, lora_id, lora_name, extra_keys };
}

const keyOf = (hash: WireHash): string => (hash instanceof Uint8Array ? Buffer.from(hash).toString('hex') : String(hash));

/** Translates batches in the order they were published. Throws where an event cannot be one of a full-attention engine. */
export class RecordedEvents {
  private readonly hasher: BlockHasher;
  private readonly own = new Map<string, BlockHash>();

  constructor(hasher: BlockHasher) {
    this.hasher = hasher;
  }

  batch(line: MsgLine): KvEvent[] {
    const [, events] = decode(messageOf(line).payload, { useBigInt64: true }) as [number, unknown[], number | null];
    return events.map((event) => this.translate(namedEvent(event)));
  }

  private ownHash(hash: WireHash): BlockHash {
    const own = this.own.get(keyOf(hash));
    if (own === undefined) throw new Error(`hash ${keyOf(hash)} was never stored`);
    return own;
  }

  private translate(event: WireEvent): KvEvent {
    if (event.type === 'AllBlocksCleared') return { type: 'AllBlocksCleared' };
    if (event.type === 'BlockRemoved') return { type: 'BlockRemoved', blockHashes: event.block_hashes.map((hash) => this.ownHash(hash)) };
    const { blockSize } = this.hasher;
    if (event.block_size !== blockSize || event.token_ids.length !== event.block_hashes.length * blockSize)
      throw new Error('misaligned event');
    const parent = event.parent_block_hash === null ? null : this.ownHash(event.parent_block_hash);
    const extraKeys = event.block_hashes.map((_, i) => event.extra_keys?.[i] ?? null);
    let previous = parent ?? undefined;
    const blockHashes = event.block_hashes.map((hash, i) => {
      previous = this.hasher.hashBlock(previous, event.token_ids, i * blockSize, extraKeys[i]!);
      this.own.set(keyOf(hash), previous);
      return previous;
    });
    return {
      type: 'BlockStored',
      blockHashes,
      parentBlockHash: parent,
      tokenIds: event.token_ids,
      blockSize,
      loraId: event.lora_id,
      loraName: event.lora_name,
      extraKeys,
      sessionId: event.session_id ?? null,
    };
  }
}
