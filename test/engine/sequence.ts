// One request inside the engine core: a prompt, the tokens made so far, and the blocks that hold them.
import type { BlockHasher } from './block-hash.js';
import type { BlockHash } from './kv-events.js';

export interface Lora {
  readonly id: number;
  readonly name: string;
}

export interface SequenceOptions {
  readonly promptIds: readonly number[];
  readonly maxTokens: number;
  /** id of the next token, given how many were made */
  readonly sample: (index: number) => number;
  /** a sampled id that ends the answer; undefined = never */
  readonly stopId?: number | undefined;
  readonly cacheSalt?: string | undefined;
  readonly lora?: Lora | undefined;
  readonly sessionId?: string | undefined;
  /** prompt_logprobs: does not read the cache, but stores */
  readonly skipsCache?: boolean;
  /** kv_cache_report_mode full: announce the reused prefix too */
  readonly reportsFull?: boolean;
  readonly onToken?: (id: number, finish: FinishReason | null) => void;
}

export type FinishReason = 'length' | 'stop' | 'abort';

export class Sequence {
  /** prompt and sampled tokens */
  readonly tokens: number[];
  readonly promptLength: number;
  /** hash per full block of `tokens` */
  readonly hashes: BlockHash[] = [];
  readonly maxTokens: number;
  readonly lora: Lora | undefined;
  readonly sessionId: string | null;
  readonly skipsCache: boolean;
  readonly reportsFull: boolean;
  /** tokens whose KV has been computed */
  computed = 0;
  blocks: number[] = [];
  /** leading blocks that are in the cache under their hash */
  cachedBlocks = 0;
  /** tokens read from the cache at first admission; -1 while waiting */
  cachedTokens = -1;
  finish: FinishReason | null = null;
  /** milliseconds, of `performance.now()` */
  arrivedAt = 0;
  admittedAt = 0;
  lastTokenAt = 0;
  readonly options: SequenceOptions;
  private readonly hasher: BlockHasher;

  constructor(options: SequenceOptions, hasher: BlockHasher) {
    this.options = options;
    this.hasher = hasher;
    this.tokens = options.promptIds.slice();
    this.promptLength = options.promptIds.length;
    this.maxTokens = options.maxTokens;
    this.lora = options.lora;
    this.sessionId = options.sessionId ?? null;
    this.skipsCache = options.skipsCache ?? false;
    this.reportsFull = options.reportsFull ?? false;
  }

  get outputLength(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Hashes at most `limit` further full blocks; true when all are hashed. Long prompts are hashed in turns of the event loop. */
  hashBlocks(limit = Number.POSITIVE_INFINITY): boolean {
    const size = this.hasher.blockSize;
    const full = Math.floor(this.tokens.length / size);
    const end = Math.min(full, this.hashes.length + limit);
    for (let i = this.hashes.length; i < end; i++) {
      this.hashes.push(this.hasher.hashBlock(this.hashes[i - 1], this.tokens, i * size, this.extraKeys(i)));
    }
    return end === full;
  }

  extraKeys(block: number): string[] | null {
    const keys: string[] = [];
    if (this.lora) keys.push(this.lora.name);
    if (block === 0 && this.options.cacheSalt !== undefined) keys.push(this.options.cacheSalt);
    return keys.length > 0 ? keys : null;
  }

  /** Samples the next token, appends it, and finds out whether it was the last. */
  sampleNext(): void {
    const id = this.options.sample(this.outputLength);
    this.tokens.push(id);
    this.hashBlocks();
    if (id === this.options.stopId) this.finish = 'stop';
    else if (this.outputLength >= this.maxTokens) this.finish = 'length';
    this.options.onToken?.(id, this.finish);
  }

  abort(): void {
    this.finish = 'abort';
    this.options.onToken?.(-1, 'abort');
  }
}
