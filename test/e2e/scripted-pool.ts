// A pool whose residency a test writes itself: real index, real publisher and writer, engines that exist in the summary alone.
// Its tokens are bytes, so a prompt's blocks are its bytes, 16 at a time.
import { Plane } from '../../indexer/index/plane';
import { seedsOf } from '../../indexer/index/seeds';
import { createMetrics } from '../../indexer/metrics';
import { type PollerState, type Publishable, Publisher } from '../../indexer/publish/publisher';
import type { SummaryLoad, SummaryTables } from '../../indexer/publish/summary';
import type { ProgramEntry, RenderProgram, Role } from '../../indexer/templates/program';
import type { TokenTable } from '../../indexer/tokens/table';
import { encodeBatch } from '../engine/wire';

export const BLOCK = 16;
export const STRIDE = 64;
/** Publications happen when a test says so. */
const NEVER_MS = 1 << 30;
const BLOCKS_PER_EVENT = 64;

const BYTES: TokenTable = {
  size: 256,
  bytes: Uint8Array.from({ length: 256 }, (_, byte) => byte),
  offsets: Uint32Array.from({ length: 257 }, (_, byte) => byte),
  unknown: new Set(),
  nfc: false,
  completionPrefix: new Uint8Array(),
};

/** ChatML without any subtlety. */
export function chatText(messages: readonly { role: string; content: string }[]): string {
  return `${messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join('')}<|im_start|>assistant\n`;
}

function chatProgram(): RenderProgram {
  const entries: ProgramEntry[] = [];
  const both = [false, true];
  const turns: Role[] = ['system', 'user', 'assistant'];
  for (const system of both)
    for (const previous of ['begin', ...turns] as Role[])
      for (const role of [...turns, 'end'] as Role[])
        for (const afterUser of both)
          for (const last of role === 'end' ? [true] : both) {
            const closed = previous === 'begin' ? '' : '<|im_end|>\n';
            const literal = Buffer.from(`${closed}<|im_start|>${role === 'end' ? 'assistant' : role}\n`);
            entries.push({ system, previous, role, afterUser, last, literal, content: 0 });
          }
  return { variant: '{}', nfc: false, chat: true, completionPrefix: new Uint8Array(), entries };
}

export interface ScriptedOptions {
  readonly ageLimitMs?: number;
  readonly model?: string;
  /** Keys that the matrix has room for at first. */
  readonly expectedKeys?: number;
}

export class ScriptedPool implements Publishable {
  readonly planes: readonly Plane[];
  readonly publisher: Publisher;
  tables: SummaryTables;
  private readonly loads = new Map<number, SummaryLoad>();
  private hashes = 0;

  private constructor(
    readonly name: string,
    private readonly plane: Plane,
    /** `ip:port`; ids in this order. */
    readonly addresses: readonly string[],
    options: ScriptedOptions,
  ) {
    this.planes = [plane];
    const parameters = {
      blockTokens: BLOCK,
      strideBytes: STRIDE,
      enabled: true,
      ageLimitMs: options.ageLimitMs ?? 30_000,
      ...seedsOf(name),
    };
    this.tables = {
      parameters,
      models: options.model === undefined ? [] : [{ name: options.model, adapter: false }],
      endpoints: addresses.map((address, id) => ({ id, address, name: `pod-${id}`, namespace: 'default', rank: 0, ready: true })),
      programs: [chatProgram()],
    };
    const timings = { afterMs: NEVER_MS, loadMs: NEVER_MS, changedShare: 1 };
    this.publisher = new Publisher(this, timings, createMetrics(), () => {});
    this.publisher.start();
  }

  static async create(name: string, addresses: readonly string[], options: ScriptedOptions = {}): Promise<ScriptedPool> {
    const { expectedKeys = 4096 } = options;
    const plane = await Plane.create({ strideBytes: STRIDE, expectedKeysPerSlot: expectedKeys, rowSalt: 7n, ...seedsOf(name) });
    plane.loadTokens(BYTES);
    return new ScriptedPool(name, plane, addresses, options);
  }

  load(): SummaryLoad[] {
    return [...this.loads.values()];
  }

  residentBlocks(): number {
    return this.addresses.reduce((sum, _, id) => sum + this.plane.residentBlocks(id), 0);
  }

  /** The endpoint at `address` holds the prompt from now on; published at once. */
  hold(address: string, prompt: string): void {
    const slot = this.addresses.indexOf(address);
    const bytes = Buffer.from(prompt);
    const blocks = Math.floor(bytes.length / BLOCK);
    let parentBlockHash: string | null = null;
    for (let first = 0; first < blocks; first += BLOCKS_PER_EVENT) {
      const count = Math.min(BLOCKS_PER_EVENT, blocks - first);
      const blockHashes = Array.from({ length: count }, () => (this.hashes++).toString(16).padStart(32, '0'));
      const tokenIds = [...bytes.subarray(first * BLOCK, (first + count) * BLOCK)];
      const extraKeys = blockHashes.map(() => null);
      const fixed = { blockSize: BLOCK, loraId: null, loraName: null, sessionId: null };
      const event = { type: 'BlockStored' as const, blockHashes, parentBlockHash, tokenIds, extraKeys, ...fixed };
      const { status } = this.plane.apply(slot, encodeBatch([event], 1.5, { layout: 'maps', hashes: 'uint64', rank: 0 }));
      if (status !== 'ok') throw new Error('the index did not read a batch');
      parentBlockHash = blockHashes.at(-1)!;
    }
    this.publisher.publish();
  }

  /** A load that is published at once. */
  setLoad(address: string, load: Partial<Omit<SummaryLoad, 'id'>>): void {
    const id = this.addresses.indexOf(address);
    this.loads.set(id, { id, kvUsage: 0, running: 0, waiting: 0, inFlight: 0, ageMs: 0, ...load });
    this.publisher.publish();
  }

  /** All rows drawn anew: only a snapshot can carry that. */
  rotate(): void {
    this.plane.rotate();
    this.publisher.publish();
  }

  messagesFor(state: PollerState, room: number): Buffer[] {
    return this.publisher.messagesFor(state, room);
  }
}
