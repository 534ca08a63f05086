// KV event batches as vLLM 0.32 sends them: maps inside an array batch. Written byte by byte into one buffer that is used again, so
// that making them costs no memory; bench.test.ts compares them with the simulated engine's.

const text = (value: string): Buffer => Buffer.concat([Buffer.from([0xa0 | value.length]), Buffer.from(value)]);
const NIL = Buffer.from([0xc0]);
const map = (entries: number): Buffer => Buffer.from([0x80 | entries]);

const STORED = Buffer.concat([map(11), text('type'), text('BlockStored'), text('block_hashes')]);
const PARENT = text('parent_block_hash');
const TOKENS = text('token_ids');
const BLOCK_SIZE = text('block_size');
const LORA_TO_EXTRA = Buffer.concat([text('lora_id'), NIL, text('medium'), text('GPU'), text('lora_name'), NIL, text('extra_keys')]);
const STORED_END = Buffer.concat([text('group_idx'), Buffer.from([0]), text('kv_cache_spec_kind'), text('full_attention')]);
const REMOVED = Buffer.concat([map(4), text('type'), text('BlockRemoved'), text('block_hashes'), Buffer.from([0x91])]);
const REMOVED_END = Buffer.concat([text('medium'), text('GPU'), text('group_idx'), Buffer.from([0])]);

/** An engine's block hash, in two halves; the upper one has its high bit set, so that it always takes nine bytes. */
export interface BlockHash {
  readonly high: number;
  readonly low: number;
}

export interface StoredBlocks {
  readonly hashes: readonly BlockHash[];
  readonly parent: BlockHash | undefined;
  readonly tokens: ArrayLike<number>;
  readonly blockTokens: number;
}

export class BatchWriter {
  private buffer = Buffer.alloc(1 << 20);
  private at = 0;

  begin(timestamp: number, events: number): this {
    this.at = 0;
    this.buffer[this.at++] = 0x93;
    this.buffer[this.at++] = 0xcb;
    this.at = this.buffer.writeDoubleBE(timestamp, this.at);
    return this.array(events);
  }

  stored({ hashes, parent, tokens, blockTokens }: StoredBlocks): this {
    const need = this.at + tokens.length * 5 + hashes.length * 10 + 512;
    if (need > this.buffer.length) this.buffer = Buffer.concat([this.buffer.subarray(0, this.at)], need * 2);
    this.raw(STORED).array(hashes.length);
    for (const hash of hashes) this.hash(hash);
    this.raw(PARENT);
    if (parent) this.hash(parent);
    else this.raw(NIL);
    this.raw(TOKENS).array(tokens.length);
    for (let i = 0; i < tokens.length; i++) this.integer(tokens[i]!);
    this.raw(BLOCK_SIZE).integer(blockTokens);
    this.raw(LORA_TO_EXTRA).array(hashes.length);
    for (let i = 0; i < hashes.length; i++) this.raw(NIL);
    return this.raw(STORED_END);
  }

  /** One block: engines send an event for each. */
  removed(hash: BlockHash): this {
    return this.raw(REMOVED).hash(hash).raw(REMOVED_END);
  }

  /** The batch; valid until the next `begin`. */
  end(rank: number): Buffer {
    this.integer(rank);
    return this.buffer.subarray(0, this.at);
  }

  private raw(bytes: Buffer): this {
    this.at += bytes.copy(this.buffer, this.at);
    return this;
  }

  private array(count: number): this {
    if (count < 16) this.buffer[this.at++] = 0x90 | count;
    else {
      this.buffer[this.at++] = 0xdc;
      this.at = this.buffer.writeUInt16BE(count, this.at);
    }
    return this;
  }

  private integer(value: number): this {
    if (value < 0x80) this.buffer[this.at++] = value;
    else if (value < 0x100) {
      this.buffer[this.at++] = 0xcc;
      this.buffer[this.at++] = value;
    } else if (value < 0x10000) {
      this.buffer[this.at++] = 0xcd;
      this.at = this.buffer.writeUInt16BE(value, this.at);
    } else {
      this.buffer[this.at++] = 0xce;
      this.at = this.buffer.writeUInt32BE(value, this.at);
    }
    return this;
  }

  private hash({ high, low }: BlockHash): this {
    this.buffer[this.at++] = 0xcf;
    this.at = this.buffer.writeUInt32BE(high, this.at);
    this.at = this.buffer.writeUInt32BE(low, this.at);
    return this;
  }
}
