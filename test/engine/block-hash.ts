// Chained block hashes: hash(parent, tokens, extra keys), with a start value that is random per process, as in vLLM.
import { hash, randomBytes } from 'node:crypto';
import type { BlockHash } from './kv-events.js';

export const randomStart = (): BlockHash => randomBytes(32).toString('latin1');

const HASH_BYTES = 32;

/** Hashes blocks of one size; reuses one buffer, so an instance is not for concurrent use. */
export class BlockHasher {
  readonly blockSize: number;
  private readonly buffer: Buffer;
  private readonly start: BlockHash;

  constructor(blockSize: number, start: BlockHash = randomStart()) {
    this.blockSize = blockSize;
    this.start = start;
    this.buffer = Buffer.alloc(HASH_BYTES + 4 * blockSize);
  }

  /** Hash of the block that begins at token `begin`. */
  hashBlock(parent: BlockHash | undefined, tokens: readonly number[], begin: number, extraKeys: readonly string[] | null): BlockHash {
    const { buffer, blockSize } = this;
    buffer.write(parent ?? this.start, 0, HASH_BYTES, 'latin1');
    for (let i = 0; i < blockSize; i++) buffer.writeUInt32LE(tokens[begin + i]!, HASH_BYTES + 4 * i);
    const input = extraKeys ? Buffer.concat([buffer, Buffer.from(JSON.stringify(extraKeys))]) : buffer;
    return hash('sha256', input, 'binary');
  }
}
