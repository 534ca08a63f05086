// The index, naively: every block keeps its whole text, keys are hashed anew from it, residency follows from definitions.
// Events are what @msgpack/msgpack decodes. Source: DESIGN sections 4.2 and 4.4, facts on vLLM, sections 2, 3 and 5.
import { decode } from '@msgpack/msgpack';
import { keysOf, namespaceOf } from './chain.js';

export interface ReferenceOptions {
  readonly strideBytes: number;
  readonly chainSeed: bigint;
  readonly namespaceSeed: bigint;
  /** Undefined: an id without text. */
  readonly tokens: readonly (Buffer | undefined)[];
}

interface Block {
  readonly parent: Block | undefined;
  readonly text: Buffer;
  /** Undefined: earns no credit. */
  readonly namespace: bigint | undefined;
  /** Keys of the strides that end in this block. */
  readonly keys: readonly bigint[];
  copies: number;
}

export type Counts = Record<string, number>;
/** Adds one to a count. */
type Count = (name: string) => undefined;
type Fields = Readonly<Record<string, unknown>>;

const POSITIONS: Readonly<Record<string, readonly string[]>> = {
  BlockStored:
    'type block_hashes parent_block_hash token_ids block_size lora_id medium lora_name extra_keys group_idx kv_cache_spec_kind kv_cache_spec_sliding_window locality'.split(
      ' ',
    ),
  BlockRemoved: 'type block_hashes medium group_idx locality'.split(' '),
};
const FULL = ['full_attention', 'mla_attention', 'sink_full_attention'];

/** Named fields of an event in either layout. */
function fieldsOf(event: unknown): Fields {
  if (!Array.isArray(event)) return event !== null && typeof event === 'object' ? (event as Fields) : {};
  const names = POSITIONS[event[0] as string] ?? ['type'];
  return Object.fromEntries(names.map((name, i) => [name, event[i]]));
}

/** Low 64 bits of a hash, apart by group. Undefined: no hash. */
function handleOf(hash: unknown, group: unknown): string | undefined {
  if (hash instanceof Uint8Array) return hash.length < 8 ? undefined : handleOf(Buffer.from(hash).readBigUInt64BE(hash.length - 8), group);
  if (typeof hash !== 'bigint' && !Number.isInteger(hash)) return undefined;
  return `${BigInt.asUintN(64, BigInt(hash as number | bigint))}/${Number(group ?? 0)}`;
}

export class ReferenceIndex {
  private readonly slots = new Map<number, Map<string, Block>>();

  constructor(private readonly options: ReferenceOptions) {}

  /** Applies a batch; undefined: not one. */
  apply(slot: number, payload: Uint8Array): Counts | undefined {
    let batch: unknown;
    try {
      batch = decode(payload, { useBigInt64: true });
    } catch {
      return undefined;
    }
    const events = Array.isArray(batch) ? batch[1] : (batch as Fields | null)?.events;
    if (!Array.isArray(events)) return undefined;
    const counts: Counts = { events: 0, stored: 0, copies: 0, removed: 0, cleared: 0 };
    for (const event of events) {
      this.event(this.blocksOf(slot), fieldsOf(event), (name) => {
        counts[name] = (counts[name] ?? 0) + 1;
        return undefined;
      });
    }
    return counts;
  }

  clear(slot: number): void {
    this.blocksOf(slot).clear();
  }

  residentBlocks(slot: number): number {
    return [...this.blocksOf(slot).values()].filter(({ copies }) => copies).length;
  }

  /** Keys of all blocks that are there and whose ancestors are all there. */
  keys(slot: number): Set<bigint> {
    const whole = (block: Block | undefined): boolean => !block || (block.copies > 0 && whole(block.parent));
    return new Set([...this.blocksOf(slot).values()].filter(whole).flatMap(({ keys }) => keys));
  }

  private blocksOf(slot: number): Map<string, Block> {
    let blocks = this.slots.get(slot);
    if (!blocks) this.slots.set(slot, (blocks = new Map()));
    return blocks;
  }

  private event(blocks: Map<string, Block>, f: Fields, count: Count): undefined {
    count('events');
    if (f.type === 'AllBlocksCleared') {
      blocks.clear();
      return count('cleared');
    }
    if (f.type !== 'BlockStored' && f.type !== 'BlockRemoved') return count('unknown_event');
    const hashes = Array.isArray(f.block_hashes) ? f.block_hashes.map((hash) => handleOf(hash, f.group_idx)) : [];
    const parent = (f.parent_block_hash ?? null) === null ? null : handleOf(f.parent_block_hash, f.group_idx);
    const tokens = Array.isArray(f.token_ids) ? (f.token_ids as unknown[]).map(Number) : undefined;
    if (hashes.includes(undefined) || parent === undefined || tokens?.some((id) => !(id >= 0 && id < 2 ** 32))) return count('malformed');
    if ((typeof f.medium === 'string' && f.medium !== 'GPU') || f.locality === 'REMOTE') return count('medium');
    if (f.type === 'BlockRemoved') {
      for (const hash of hashes) count(this.remove(blocks, hash!) ? 'removed' : 'unknown_removed');
      return undefined;
    }
    if (typeof f.kv_cache_spec_kind === 'string' && !FULL.includes(f.kv_cache_spec_kind)) return count('group_kind');
    const size = Number(f.block_size);
    if (!hashes.length || !tokens || !size || tokens.length !== hashes.length * size) return count('token_count');
    return this.store(blocks, hashes as string[], parent, tokens, size, f, count);
  }

  private store(
    blocks: Map<string, Block>,
    hashes: readonly string[],
    parentHash: string | null,
    tokens: readonly number[],
    size: number,
    f: Fields,
    count: Count,
  ): undefined {
    let parent = parentHash === null ? undefined : blocks.get(parentHash);
    if (parentHash !== null && !parent) return count('orphan');
    if (parentHash === null && hashes.every((hash) => blocks.get(hash)?.copies)) return undefined;
    const { adapter, salt, creditEnd } = extraKeys(f, hashes.length, parentHash === null);
    for (const [i, hash] of hashes.entries()) {
      const known = blocks.get(hash);
      if (known) {
        known.copies++;
        count('copies');
        parent = known;
        continue;
      }
      const texts = tokens.slice(i * size, (i + 1) * size).map((id) => this.options.tokens[id]);
      if (texts.includes(undefined)) return count('unknown_token');
      const credit = i < creditEnd && (!parent || parent.namespace !== undefined);
      const namespace = !credit ? undefined : (parent?.namespace ?? namespaceOf(this.options.namespaceSeed, adapter, salt));
      const text = Buffer.concat([parent?.text ?? Buffer.alloc(0), ...(texts as Buffer[])]);
      const { strideBytes, chainSeed } = this.options;
      const before = Math.floor((parent?.text.length ?? 0) / strideBytes);
      const keys = namespace === undefined ? [] : keysOf(text, strideBytes, chainSeed, namespace).slice(before);
      const block: Block = { parent, text, namespace, keys, copies: 1 };
      blocks.set(hash, block);
      count('stored');
      parent = block;
    }
    return undefined;
  }

  private remove(blocks: Map<string, Block>, hash: string): boolean {
    const block = blocks.get(hash);
    if (!block?.copies) return false;
    block.copies--;
    this.forget(blocks);
    return true;
  }

  /** Blocks that are gone stay known only while children point at them. */
  private forget(blocks: Map<string, Block>): void {
    for (let again = true; again; ) {
      const parents = new Set([...blocks.values()].map(({ parent }) => parent));
      again = false;
      for (const [hash, block] of blocks)
        if (!block.copies && !parents.has(block)) {
          blocks.delete(hash);
          again = true;
        }
    }
  }
}

/** Adapter, salt, and the first block that earns no credit. */
function extraKeys(f: Fields, blocks: number, root: boolean): { adapter: string | undefined; salt: string | undefined; creditEnd: number } {
  const adapter = (f.lora_name || undefined) as string | undefined;
  let salt = root && typeof f.cache_salt === 'string' && f.cache_salt ? f.cache_salt : undefined;
  let creditEnd = blocks;
  const lists = Array.isArray(f.extra_keys) ? (f.extra_keys as unknown[]).slice(0, blocks) : [];
  for (const [i, list] of lists.entries()) {
    if ((list ?? null) === null) continue;
    const rest = Array.isArray(list) ? [...list] : [0];
    const named = adapter === undefined ? -1 : rest.indexOf(adapter);
    if (named >= 0) rest.splice(named, 1);
    for (const key of rest) {
      if (root && i === 0 && salt === undefined && typeof key === 'string') salt = key;
      else creditEnd = Math.min(creditEnd, i);
    }
  }
  if (Number.isInteger(Number(f.lora_id ?? Number.NaN)) && adapter === undefined) creditEnd = 0;
  return { adapter, salt, creditEnd };
}
