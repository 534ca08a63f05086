import { randomBytes } from 'node:crypto';
import { PLANE_KEYS, SLOTS, TIER_GPU } from '../../assembly/core/summary/format.js';
import type { TokenTable } from '../tokens/table.js';
import { type CoreExports, instantiateCore, unsigned } from './core.js';

export interface PlaneOptions {
  /** Number of the plane in its pool's summary. */
  readonly plane?: number;
  /** Slots are the endpoints 64 × group … of the pool. */
  readonly group?: number;
  readonly strideBytes: number;
  readonly chainSeed: bigint;
  readonly namespaceSeed: bigint;
  /** Bloom bits per key of the fullest slot; 10 by default. */
  readonly bitsPerKey?: number;
  /** Rows per key; 4 by default. */
  readonly hashes?: number;
  /** Keys that the fullest slot is expected to hold; the matrix grows when there are more. */
  readonly expectedKeysPerSlot?: number;
  /** Random by default. */
  readonly rowSalt?: bigint;
}

/** Reasons why an event, or a part of one, was skipped. Order: `Counter` in assembly/core/index/counts.ts. */
export const SKIP_REASONS = [
  'unknown_event',
  'unknown_removed',
  'orphan',
  'group_kind',
  'medium',
  'token_count',
  'unknown_token',
  'block_too_long',
  'malformed',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

export interface BatchResult {
  /** `undecodable`: not a batch in any layout that core reads; nothing was changed. */
  readonly status: 'ok' | 'undecodable';
  readonly events: number;
  readonly stored: number;
  /** Further copies of blocks that were there. */
  readonly copies: number;
  readonly removed: number;
  readonly cleared: number;
  readonly skipped: Readonly<Partial<Record<SkipReason, number>>>;
  /** Engine's time of the batch, seconds. */
  readonly timestamp: number;
  readonly rank: number | null;
}

/** What changed since the last publication. */
export interface PlaneDelta {
  readonly plane: number;
  /** Rows or salt changed: only a snapshot can carry it. */
  readonly rebuilt: boolean;
  readonly checksum: bigint;
  readonly cleared: readonly number[];
  /** Slot → flipped rows, ascending. */
  readonly toggles: ReadonlyMap<number, Uint32Array>;
  readonly changedKeys: number;
}

/** A plane as last published. */
export interface PlaneState {
  readonly plane: number;
  readonly kind: number;
  readonly tier: number;
  readonly group: number;
  readonly hashes: number;
  readonly rows: number;
  readonly rowSalt: bigint;
  /** 1000 = 1.0. */
  readonly weight: number;
  readonly checksum: bigint;
  /** Published bits of a slot, lowest row first; a view that is valid until the next call. Undefined: all 0. */
  column(slot: number): Uint8Array | undefined;
}

const DEFAULT_BITS_PER_KEY = 10;
const DEFAULT_HASHES = 4;
const GROWTH = 1.5;
const LONG_TOKEN = 0xffn;
const UNKNOWN_TOKEN = 0xfen;
const COUNTERS_BEFORE_SKIPS = 5;
const COUNTERS = COUNTERS_BEFORE_SKIPS + SKIP_REASONS.length;

const randomSalt = (): bigint => randomBytes(8).readBigUInt64LE();

/** The residency index of up to 64 endpoints and one tier: one instance of core.wasm. Source: DESIGN sections 4.2 to 4.5. */
export class Plane {
  private readonly core: CoreExports;
  private readonly input: { ptr: number; bytes: number } = { ptr: 0, bytes: 0 };
  private rows: number;
  private rowSalt: bigint;
  private rebuilt = true;
  private counters: DataView | undefined;

  private constructor(
    private readonly options: PlaneOptions,
    core: CoreExports,
  ) {
    this.core = core;
    core.configure(
      options.strideBytes,
      options.chainSeed,
      options.namespaceSeed,
      options.bitsPerKey ?? DEFAULT_BITS_PER_KEY,
      options.hashes ?? DEFAULT_HASHES,
    );
    this.rows = core.rows_for(options.expectedKeysPerSlot ?? 0);
    this.rowSalt = options.rowSalt ?? randomSalt();
    core.rebuild(this.rows, this.rowSalt);
  }

  static async create(options: PlaneOptions): Promise<Plane> {
    return new Plane(options, instantiateCore());
  }

  /** Copies the table into core's layout (assembly/core/index/tokens.ts). */
  loadTokens(table: TokenTable): void {
    const { bytes, offsets, size, unknown } = table;
    let longBytes = 0;
    let longest = 0;
    for (let id = 0; id < size; id++) {
      const length = offsets[id + 1]! - offsets[id]!;
      longest = Math.max(longest, length);
      if (length > 7) longBytes += length;
    }
    const entries = this.core.reserve_tokens(size, longBytes);
    const long = this.core.long_token_bytes();
    this.core.set_longest_token(longest);
    const view = new DataView(this.core.memory.buffer);
    const target = new Uint8Array(this.core.memory.buffer);
    let at = 0;
    for (let id = 0; id < size; id++) {
      const text = bytes.subarray(offsets[id]!, offsets[id + 1]!);
      let entry = 0n;
      if (unknown.has(id)) entry = UNKNOWN_TOKEN << 56n;
      else if (text.length > 7) {
        entry = (LONG_TOKEN << 56n) | (BigInt(text.length) << 32n) | BigInt(at);
        target.set(text, long + at);
        at += text.length;
      } else {
        for (let i = text.length; i-- > 0; ) entry = (entry << 8n) | BigInt(text[i]!);
        entry |= BigInt(text.length) << 56n;
      }
      view.setBigUint64(entries + id * 8, entry, true);
    }
  }

  /** Applies one raw batch of the slot's stream. */
  apply(slot: number, payload: Uint8Array): BatchResult {
    const { core, input } = this;
    if (payload.length > input.bytes) {
      if (input.ptr) core.free(input.ptr);
      input.bytes = Math.max(payload.length * 2, 1 << 16);
      input.ptr = core.allocate(input.bytes);
    }
    new Uint8Array(core.memory.buffer, input.ptr, payload.length).set(payload);
    const ok = core.apply_batch(slot, input.ptr, payload.length);
    return this.result(ok !== 0);
  }

  /** Forgets all blocks of a slot: its engine cleared, restarted or left. */
  clear(slot: number): void {
    this.core.clear_slot(slot);
  }

  residentBlocks(slot: number): number {
    return this.core.resident_blocks(slot);
  }

  residentKeys(slot: number): number {
    return this.core.resident_keys(slot);
  }

  /** Whether the exact table of a slot holds a key. */
  hasKey(slot: number, key: bigint): boolean {
    return this.core.has_key(slot, key) !== 0;
  }

  /** Bytes of Wasm memory in use by the instance. */
  get memoryBytes(): number {
    return this.core.memory.buffer.byteLength;
  }

  /** Draws a new row salt: all rows are made again from the exact keys; the next publication is a snapshot. */
  rotate(rowSalt: bigint = randomSalt()): void {
    this.rowSalt = rowSalt;
    this.core.rebuild(this.rows, rowSalt);
    this.rebuilt = true;
  }

  /** Publishes: what changed since the last call, undefined when nothing did. Grows the matrix when the fullest slot needs it. */
  publish(): PlaneDelta | undefined {
    const { core } = this;
    const fullest = core.fullest_keys();
    if (core.rows_for(fullest) > this.rows) {
      this.rows = core.rows_for(Math.ceil(fullest * GROWTH));
      this.rotate();
    }
    const cleared: number[] = [];
    const toggles = new Map<number, Uint32Array>();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (core.publish_clear(slot)) cleared.push(slot);
      const flips = core.publish_slot(slot);
      if (flips && !this.rebuilt) toggles.set(slot, new Uint32Array(core.memory.buffer, core.flipped_rows(), flips).slice());
    }
    const { rebuilt } = this;
    this.rebuilt = false;
    const changedKeys = core.take_changed_keys();
    if (!rebuilt && !cleared.length && !toggles.size) return undefined;
    return { plane: this.options.plane ?? 0, rebuilt, checksum: unsigned(core.plane_checksum()), cleared, toggles, changedKeys };
  }

  /** The plane as last published. */
  state(): PlaneState {
    const { core, rows, rowSalt } = this;
    return {
      plane: this.options.plane ?? 0,
      kind: PLANE_KEYS,
      tier: TIER_GPU,
      group: this.options.group ?? 0,
      hashes: this.options.hashes ?? DEFAULT_HASHES,
      rows,
      rowSalt,
      weight: 1000,
      checksum: unsigned(core.plane_checksum()),
      column(slot) {
        const ptr = core.published_column(slot);
        return ptr ? new Uint8Array(core.memory.buffer, ptr, rows >>> 3) : undefined;
      },
    };
  }

  private result(ok: boolean): BatchResult {
    const view = this.countersView();
    const count = (counter: number): number => view.getUint32(counter * 4, true);
    const skipped: Partial<Record<SkipReason, number>> = {};
    for (let i = 0; i < SKIP_REASONS.length; i++) {
      const skips = count(COUNTERS_BEFORE_SKIPS + i);
      if (skips) skipped[SKIP_REASONS[i]!] = skips;
    }
    const rank = view.getInt32(COUNTERS * 4, true);
    return {
      status: ok ? 'ok' : 'undecodable',
      events: count(0),
      stored: count(1),
      copies: count(2),
      removed: count(3),
      cleared: count(4),
      skipped,
      timestamp: view.getFloat64(COUNTERS * 4 + 4, true),
      rank: rank < 0 ? null : rank,
    };
  }

  /** What `counters` of core points to; made again only when the memory has grown. */
  private countersView(): DataView {
    const { buffer } = this.core.memory;
    if (this.counters?.buffer !== buffer) this.counters = new DataView(buffer, this.core.counters(), COUNTERS * 4 + 12);
    return this.counters;
  }
}
