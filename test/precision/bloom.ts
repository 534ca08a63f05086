// The Bloom matrix' share of the error: the same keys published under many row salts, written by the indexer's writer, read and
// walked by core. Acceptance: DESIGN section 9.

import type { CoreExports } from '../../indexer/index/core.js';
import { instantiateCore } from '../../indexer/index/core.js';
import { writeSnapshot } from '../../indexer/publish/writer.js';
import { randomSource } from '../../indexer/templates/random.js';
import { POOL, type RecordedPool } from './pool.js';
import type { WrittenBody } from './requests.js';

export const SALTS = 100;

/** Exports of assembly/core/exports/request.ts that are needed here. */
interface RequestExports extends CoreExports {
  summary_reset(): void;
  summary_apply(ptr: number, length: number, pool: number, poolLength: number, maxBytes: number): number;
  scanner_bytes(): number;
  scanner_reset(scanner: number): void;
  scanner_scan(scanner: number, body: number, length: number): number;
  decide(body: number, scanner: number, chat: number, openLength: number): number;
  decided_strides(): number;
  walk_plane(plane: number, mask: bigint, linear: number): void;
  walked(slot: number): number;
}

const OVERREAD_BYTES = 32;
const SUMMARY_MAX_BYTES = 64 << 20;
/** Of a geometric overshoot, by how far its mean may lie off. */
const STANDARD_ERRORS = 3;
/** Overshoots that must be due before their mean is judged: of fewer, chance alone makes three standard errors too often. */
const JUDGED_OVERSHOOT = 5;

/** What was measured so far, and what theory says of the same walks. */
export class BloomShare {
  /** Walks that could overshoot: keys follow the exact match. */
  walks = 0;
  private overshoot = 0;
  private expected = 0;
  private variance = 0;
  private slack = 0;
  /** Walks that ended before the exact match: never. */
  short = 0;

  /** remaining: keys behind the exact match. rate: false positives of one key. */
  add(extra: number, remaining: number, rate: number): void {
    if (extra < 0) this.short++;
    if (remaining === 0) return;
    this.walks++;
    this.overshoot += extra;
    this.expected += (rate * (1 - rate ** remaining)) / (1 - rate);
    this.variance += rate / (1 - rate) ** 2;
    this.slack += 2 * rate ** 2;
  }

  get meanStrides(): number {
    return this.walks === 0 ? 0 : this.overshoot / this.walks;
  }

  get expectedStrides(): number {
    return this.walks === 0 ? 0 : this.expected / this.walks;
  }

  /** How far the mean may lie from what is expected. */
  get toleranceStrides(): number {
    return this.walks === 0 ? 0 : (this.slack + STANDARD_ERRORS * Math.sqrt(this.variance)) / this.walks;
  }

  get accepted(): boolean {
    if (this.expected < JUDGED_OVERSHOOT) return this.short === 0;
    return this.short === 0 && Math.abs(this.meanStrides - this.expectedStrides) <= this.toleranceStrides;
  }
}

export class SaltedWalks {
  private readonly core = instantiateCore() as RequestExports;
  private readonly scanner = this.core.allocate(this.core.scanner_bytes());
  private sequence = 0n;

  constructor(private readonly pool: RecordedPool) {}

  /** Strides that the pool is believed to hold of the request, and the rate of false positives, under each of `SALTS` row salts. */
  *walks(seed: number, { bytes }: WrittenBody, chat: boolean): Generator<{ readonly strides: number; readonly rate: number }> {
    const { core, scanner } = this;
    const random = randomSource(seed);
    const word = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
    const body = this.put(bytes, OVERREAD_BYTES);
    for (let i = 0; i < SALTS; i++) {
      const rate = this.publish((word() << 32n) | word());
      core.scanner_reset(scanner);
      core.scanner_scan(scanner, body, bytes.length);
      core.decide(body, scanner, chat ? 1 : 0, 0);
      core.walk_plane(0, 1n, 0);
      yield { strides: core.walked(0), rate };
    }
    core.free(body);
  }

  /** Writes the plane under a row salt and applies it; returns its rate of false positives, as theory has it. */
  private publish(rowSalt: bigint): number {
    const { core, pool } = this;
    // Where the matrix grows it draws a salt of its own.
    do {
      pool.saltPlane.rotate(rowSalt);
      pool.saltPlane.publish();
    } while (pool.saltPlane.state().rowSalt !== rowSalt);
    const state = pool.saltPlane.state();
    const envelope = { pool: POOL, epoch: 1n, sequence: ++this.sequence, publishedMs: 0 };
    core.summary_reset();
    const name = this.put(Buffer.from(POOL));
    for (const message of writeSnapshot({ ...envelope, tables: pool.tables, load: [], planes: [state] })) {
      const ptr = this.put(message);
      const status = core.summary_apply(ptr, message.length, name, POOL.length, SUMMARY_MAX_BYTES);
      core.free(ptr);
      if (status !== 0) throw new Error(`core refuses the summary: status ${status}`);
    }
    core.free(name);
    const keys = pool.saltPlane.residentKeys(0);
    return (1 - (1 - 1 / state.rows) ** (state.hashes * keys)) ** state.hashes;
  }

  private put(bytes: Uint8Array, behind = 0): number {
    const ptr = this.core.allocate(bytes.length + behind);
    new Uint8Array(this.core.memory.buffer, ptr, bytes.length).set(bytes);
    return ptr;
  }
}
