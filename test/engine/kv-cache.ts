// The paged KV cache of one engine, in vLLM v1's order of things: reference counts, a free queue that keeps cached blocks until
// their room is needed, one BlockRemoved per evicted block, before the store that needed the room.
import { FreeQueue } from './free-queue.js';
import type { BlockHash, KvEvent } from './kv-events.js';
import type { Sequence } from './sequence.js';

export interface KvCacheOptions {
  readonly blockSize: number;
  /** num_gpu_blocks, vLLM's null block included */
  readonly blocks: number;
  readonly prefixCaching?: boolean;
  /** freed blocks that hold nothing cached are used again first: 0.32 does so, 0.23 puts them at the end like all others */
  readonly uncachedFirst?: boolean;
}

export class KvCache {
  readonly blockSize: number;
  /** block 0 is vLLM's null block and never handed out */
  readonly usableBlocks: number;
  private readonly free: FreeQueue;
  private readonly references: Int32Array;
  private readonly hashOf: (BlockHash | undefined)[];
  /** blocks that hold a hash, oldest first; nearly always one */
  private readonly cached = new Map<BlockHash, number | number[]>();
  private readonly prefixCaching: boolean;
  private readonly uncachedFirst: boolean;
  private events: KvEvent[] = [];

  constructor(options: KvCacheOptions) {
    this.blockSize = options.blockSize;
    this.usableBlocks = options.blocks - 1;
    this.uncachedFirst = options.uncachedFirst ?? false;
    this.prefixCaching = options.prefixCaching ?? true;
    this.free = new FreeQueue(options.blocks);
    this.free.remove(0);
    this.references = new Int32Array(options.blocks);
    this.hashOf = new Array(options.blocks).fill(undefined);
  }

  get freeBlocks(): number {
    return this.free.length;
  }

  /** Blocks of running requests; cached but free ones count as free. */
  get usedBlocks(): number {
    return this.usableBlocks - this.free.length;
  }

  get cachedHashes(): number {
    return this.cached.size;
  }

  isCached(hash: BlockHash): boolean {
    return this.cached.has(hash);
  }

  /** Content and order of the free blocks: what decides which of them goes next. */
  layout(): (BlockHash | null)[] {
    return [...this.free].map((block) => this.hashOf[block] ?? null);
  }

  takeEvents(): KvEvent[] {
    const events = this.events;
    this.events = [];
    return events;
  }

  /** Blocks that hold the longest cached prefix. The last token is always computed again, so it never counts. */
  findLongestHit(sequence: Sequence): number[] {
    const hit: number[] = [];
    if (!this.prefixCaching || sequence.skipsCache) return hit;
    const most = Math.floor((sequence.tokens.length - 1) / this.blockSize);
    for (let i = 0; i < most; i++) {
      const entry = this.cached.get(sequence.hashes[i]!);
      if (entry === undefined) break;
      hit.push(typeof entry === 'number' ? entry : entry[0]!);
    }
    return hit;
  }

  /** Blocks that must come out of the free queue so that `tokens` tokens of the sequence fit. */
  blocksNeeded(sequence: Sequence, tokens: number, hit: readonly number[]): number {
    let needed = Math.ceil(tokens / this.blockSize) - hit.length - sequence.blocks.length;
    for (const block of hit) if (this.references[block] === 0) needed++;
    return needed;
  }

  /** Gives the sequence room for `tokens` tokens in all and caches what is full; false when there is no room. */
  allocate(sequence: Sequence, tokens: number, hit: readonly number[]): boolean {
    if (this.blocksNeeded(sequence, tokens, hit) > this.free.length) return false;
    for (const block of hit) {
      if (this.references[block]!++ === 0) this.free.remove(block);
      sequence.blocks.push(block);
    }
    if (hit.length > 0) sequence.cachedBlocks = hit.length;
    if (sequence.reportsFull && hit.length > 0) this.announce(sequence, 0, hit.length);
    for (let room = Math.ceil(tokens / this.blockSize); sequence.blocks.length < room; ) sequence.blocks.push(this.takeFree());
    this.cacheFullBlocks(sequence, Math.min(tokens, sequence.tokens.length));
    return true;
  }

  /** Gives all blocks back, the last one first, so that a chain is evicted from its end. */
  release(sequence: Sequence): void {
    for (let i = sequence.blocks.length - 1; i >= 0; i--) {
      const block = sequence.blocks[i]!;
      if (--this.references[block]! > 0) continue;
      if (this.uncachedFirst && this.hashOf[block] === undefined) this.free.prepend(block);
      else this.free.append(block);
    }
    sequence.blocks = [];
    sequence.cachedBlocks = 0;
  }

  /** Forgets everything, unless blocks are in use. The order of the free queue stays, as in vLLM. */
  reset(): boolean {
    if (this.usedBlocks > 0) return false;
    this.cached.clear();
    this.hashOf.fill(undefined);
    this.events.push({ type: 'AllBlocksCleared' });
    return true;
  }

  private takeFree(): number {
    const block = this.free.shift();
    const hash = this.hashOf[block];
    if (hash !== undefined) this.evict(block, hash);
    this.references[block] = 1;
    return block;
  }

  private evict(block: number, hash: BlockHash): void {
    const entry = this.cached.get(hash);
    if (Array.isArray(entry) && entry.length > 1) entry.splice(entry.indexOf(block), 1);
    else this.cached.delete(hash);
    this.hashOf[block] = undefined;
    this.events.push({ type: 'BlockRemoved', blockHashes: [hash] });
  }

  private cacheFullBlocks(sequence: Sequence, tokens: number): void {
    const full = Math.floor(tokens / this.blockSize);
    const first = sequence.cachedBlocks;
    if (!this.prefixCaching || full <= first) return;
    for (let i = first; i < full; i++) {
      const block = sequence.blocks[i]!;
      const hash = sequence.hashes[i]!;
      this.hashOf[block] = hash;
      const entry = this.cached.get(hash);
      if (entry === undefined) this.cached.set(hash, block);
      else if (typeof entry === 'number') this.cached.set(hash, [entry, block]);
      else entry.push(block);
    }
    sequence.cachedBlocks = full;
    this.announce(sequence, first, full);
  }

  private announce(sequence: Sequence, first: number, end: number): void {
    this.events.push({
      type: 'BlockStored',
      blockHashes: sequence.hashes.slice(first, end),
      parentBlockHash: first > 0 ? sequence.hashes[first - 1]! : null,
      tokenIds: sequence.tokens.slice(first * this.blockSize, end * this.blockSize),
      blockSize: this.blockSize,
      loraId: sequence.lora?.id ?? null,
      loraName: sequence.lora?.name ?? null,
      extraKeys: Array.from({ length: end - first }, (_, i) => sequence.extraKeys(first + i)),
      sessionId: sequence.sessionId,
    });
  }
}
