// The token-exact replay: an index by token ids, fed with the same events. What it misses is staleness or the engine's reporting;
// what the byte index misses beyond that is our own error. Shares no code with the byte index.
import type { Message } from '../../indexer/events/frames.js';
import { type Event, readEvents, type StoreEvent } from './events.js';

/** Number of a chain of blocks; 0 is the empty one. */
type Chain = number;

interface Block {
  readonly chain: Chain;
  copies: number;
}

export interface TokenPrompt {
  readonly ids: readonly number[];
  readonly salt: string | undefined;
  readonly adapter: string | undefined;
}

export class TokenExactIndex {
  private readonly chains = new Map<string, Chain>();
  private readonly blocks = new Map<string, Block>();
  private readonly resident = new Map<Chain, number>();
  private last: bigint | undefined;

  constructor(private readonly blockTokens: number) {}

  receive({ sequence, payload }: Message): void {
    // A sequence that goes back is a new engine.
    if (this.last !== undefined && sequence < this.last) this.clear();
    this.last = sequence;
    for (const event of readEvents(payload)) this.apply(event);
  }

  /** Tokens that the engine would reuse: whole resident blocks, never the whole prompt. */
  cachedTokens({ ids, salt, adapter }: TokenPrompt): number {
    const { blockTokens } = this;
    let chain: Chain = 0;
    let blocks = 0;
    while ((blocks + 1) * blockTokens < ids.length) {
      const extras = [...(adapter === undefined ? [] : [adapter]), ...(blocks === 0 && salt ? [salt] : [])];
      const tokens = ids.slice(blocks * blockTokens, (blocks + 1) * blockTokens);
      chain = this.chains.get(nameOf(chain, JSON.stringify(extras), tokens)) ?? -1;
      if (!this.resident.has(chain)) break;
      blocks++;
    }
    return blocks * blockTokens;
  }

  private apply(event: Event): void {
    if (event.type === 'cleared') this.clear();
    else if (event.type === 'stored') this.store(event);
    else for (const hash of event.hashes) this.remove(hash);
  }

  private store({ hashes, parent, tokens, extras }: StoreEvent): void {
    // A full report announces what is there and adds no copy.
    if (parent === undefined && hashes.length > 0 && hashes.every((hash) => this.blocks.has(hash))) return;
    const size = tokens.length / hashes.length;
    let chain = parent === undefined ? 0 : (this.blocks.get(parent)?.chain ?? -1);
    if (chain < 0) return;
    for (const [i, hash] of hashes.entries()) {
      const known = this.blocks.get(hash);
      chain = known?.chain ?? this.chainOf(nameOf(chain, extras[i]!, tokens.slice(i * size, (i + 1) * size)));
      if (known) known.copies++;
      else {
        this.blocks.set(hash, { chain, copies: 1 });
        this.resident.set(chain, (this.resident.get(chain) ?? 0) + 1);
      }
    }
  }

  private remove(hash: string): void {
    const block = this.blocks.get(hash);
    if (!block || --block.copies > 0) return;
    this.blocks.delete(hash);
    const left = this.resident.get(block.chain)! - 1;
    if (left > 0) this.resident.set(block.chain, left);
    else this.resident.delete(block.chain);
  }

  private clear(): void {
    this.blocks.clear();
    this.resident.clear();
  }

  private chainOf(name: string): Chain {
    const known = this.chains.get(name);
    if (known !== undefined) return known;
    const chain = this.chains.size + 1;
    this.chains.set(name, chain);
    return chain;
  }
}

const nameOf = (parent: Chain, extras: string, tokens: readonly number[]): string => `${parent} ${extras} ${tokens.join()}`;
