// Pods that store and evict: what their engines would send. Chains of distinct prompts; the oldest chain leaves first, its last
// block first, one remove event per block, in front of the store that needed the room (as recorded from vLLM 0.32).
import { BatchWriter, type BlockHash } from './batches.js';
import { mix32, randomSource } from './random.js';
import { chatText } from './text.js';
import { benchTokenizer } from './tokenizer.js';

/** Blocks of one prompt: 2,048 tokens of 16-token blocks. */
export const CHAIN_BLOCKS = 128;
const STREAM_BYTES = 1 << 20;
const SERIAL_TOKENS = 6;
const BLOCK_TOKENS_MAX = 256;

let stream: Uint32Array | undefined;
/** Ids of one batch: used again, because memory is measured. */
const scratch = new Uint32Array(CHAIN_BLOCKS * BLOCK_TOKENS_MAX);

/** Ids of a long text; chains are windows of it, made distinct by their first tokens. */
function tokenStream(): Uint32Array {
  if (!stream) {
    const { encode, words } = benchTokenizer();
    stream = Uint32Array.from(encode(chatText(randomSource(7), words, STREAM_BYTES)));
  }
  return stream;
}

const hashOf = (pod: number, block: number): BlockHash => ({
  high: (mix32(block ^ Math.imul(pod + 1, 0x9e3779b1)) | 0x8000_0000) >>> 0,
  low: mix32(Math.imul(block, 0x85ebca77) + pod),
});

export class Pod {
  /** Blocks stored and removed so far. */
  stored = 0;
  removed = 0;
  private readonly writer = new BatchWriter();

  constructor(
    readonly number: number,
    readonly blockTokens: number,
  ) {}

  get resident(): number {
    return this.stored - this.removed;
  }

  /** The next batch: `remove` blocks leave, then at most `store` come, all of one chain. */
  batch(store: number, remove: number): Buffer {
    const { writer, number, blockTokens } = this;
    writer.begin(1_700_000_000.5 + this.stored / 1000, remove + (store ? 1 : 0));
    for (let i = 0; i < remove; i++) writer.removed(hashOf(number, this.nextToRemove()));
    if (store) {
      const first = this.stored;
      const count = Math.min(store, CHAIN_BLOCKS - (first % CHAIN_BLOCKS));
      const parent = first % CHAIN_BLOCKS === 0 ? undefined : hashOf(number, first - 1);
      const hashes = Array.from({ length: count }, (_, i) => hashOf(number, first + i));
      writer.stored({ hashes, parent, tokens: this.tokens(first, count), blockTokens });
      this.stored += count;
    }
    return writer.end(0);
  }

  /** Batches that store these tokens as a chain of its own, whole blocks only; hashes are taken from a range of their own. */
  *chain(tokens: readonly number[], serial: number): Generator<Buffer> {
    const { number, blockTokens, writer } = this;
    const hash = (block: number): BlockHash => hashOf(number, 0x4000_0000 + serial * 0x10000 + block);
    const blocks = Math.floor(tokens.length / blockTokens);
    for (let first = 0; first < blocks; first += CHAIN_BLOCKS) {
      const count = Math.min(CHAIN_BLOCKS, blocks - first);
      const hashes = Array.from({ length: count }, (_, i) => hash(first + i));
      const parent = first === 0 ? undefined : hash(first - 1);
      const stored = { hashes, parent, tokens: tokens.slice(first * blockTokens, (first + count) * blockTokens), blockTokens };
      yield writer.begin(1_700_000_000.5, 1).stored(stored).end(0);
    }
  }

  /** Oldest chain first, in it the last block first. */
  private nextToRemove(): number {
    const chain = this.removed - (this.removed % CHAIN_BLOCKS);
    const block = chain + CHAIN_BLOCKS - 1 - (this.removed % CHAIN_BLOCKS);
    this.removed++;
    return block;
  }

  private tokens(first: number, count: number): Uint32Array {
    const all = tokenStream();
    const { blockTokens } = this;
    const chain = Math.floor(first / CHAIN_BLOCKS);
    const window = mix32(Math.imul(chain, 0x9e3779b1) + this.number) % (all.length - CHAIN_BLOCKS * blockTokens);
    const from = window + (first % CHAIN_BLOCKS) * blockTokens;
    const tokens = scratch.subarray(0, count * blockTokens);
    tokens.set(all.subarray(from, from + count * blockTokens));
    if (first % CHAIN_BLOCKS === 0) {
      let serial = chain * 1024 + this.number;
      for (let i = 0; i < SERIAL_TOKENS; i++, serial = Math.floor(serial / 64)) tokens[i] = serial % 64;
    }
    return tokens;
  }
}
