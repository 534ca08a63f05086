// The request path of core.wasm, driven from Node: a summary applied from real messages, bodies in one arena.
import { type CoreExports, instantiateCore } from '../../../indexer/index/core.js';
import { writeSnapshot } from '../../../indexer/publish/writer.js';
import { type Fleet, POOL } from '../workload/fleet.js';

/** Exports of assembly/core/exports/request.ts that the benchmark calls. */
interface RequestExports extends CoreExports {
  summary_apply(ptr: number, length: number, pool: number, poolLength: number, maxBytes: number): number;
  scanner_bytes(): number;
  scanner_reset(scanner: number): void;
  scanner_scan(scanner: number, body: number, length: number): number;
  decide(body: number, scanner: number, chat: number, openLength: number): number;
  decided_destination(i: number): number;
  decided_reason(): number;
  decided_strides(): number;
  decided_prompt_bytes(): bigint;
  decided_match(id: number): number;
  walk_plane(plane: number, mask: bigint, linear: number): void;
}

const SCAN_CLOSED = 1;
const ALL_SLOTS = 0xffff_ffff_ffff_ffffn;
const OVERREAD_BYTES = 64;

export class CoreRequests {
  private readonly core = instantiateCore() as RequestExports;
  private readonly scanner: number;
  private readonly arena: number;
  private readonly arenaBytes: number;
  private length = 0;

  /** ready: false leaves no candidate, so that `decide` is rendering and hashing alone. */
  constructor(fleet: Fleet, bodyBytes: number, { ready }: { readonly ready: boolean }) {
    const { core } = this;
    this.scanner = core.allocate(core.scanner_bytes());
    this.arenaBytes = bodyBytes + OVERREAD_BYTES;
    this.arena = core.allocate(this.arenaBytes);
    const tables = { ...fleet.tables, endpoints: fleet.tables.endpoints.map((endpoint) => ({ ...endpoint, ready })) };
    const input = { pool: POOL, epoch: 1n, sequence: 1n, publishedMs: 0, tables, load: fleet.load, planes: [fleet.plane.state()] };
    const pool = this.put(Buffer.from(POOL));
    for (const message of writeSnapshot(input)) {
      const ptr = this.put(message);
      const status = core.summary_apply(ptr, message.length, pool, POOL.length, 1 << 28);
      if (status !== 0) throw new Error(`the summary was refused with ${status}`);
      core.free(ptr);
    }
    core.free(pool);
  }

  /** What receiving the body does: it lies in memory, and in the caches. */
  receive(body: Uint8Array): void {
    this.length = body.length;
    new Uint8Array(this.core.memory.buffer, this.arena, this.arenaBytes).set(body);
  }

  scan(): boolean {
    this.core.scanner_reset(this.scanner);
    return this.core.scanner_scan(this.scanner, this.arena, this.length) === SCAN_CLOSED;
  }

  /** Destinations found. */
  decide(): number {
    return this.core.decide(this.arena, this.scanner, 1, 0);
  }

  /** Over the keys of the last decision. */
  walk(): void {
    this.core.walk_plane(0, ALL_SLOTS, 0);
  }

  /** The chain's steps over as many bytes as the last prompt has. */
  hash(): bigint {
    return this.core.hash_bytes(0n, this.arena, Math.min(this.promptBytes, this.length));
  }

  get reason(): number {
    return this.core.decided_reason();
  }

  get promptBytes(): number {
    return Number(this.core.decided_prompt_bytes());
  }

  get destination(): number {
    return this.core.decided_destination(0);
  }

  matchedStrides(endpoint: number): number {
    return this.core.decided_match(endpoint);
  }

  private put(bytes: Uint8Array): number {
    const ptr = this.core.allocate(bytes.length + OVERREAD_BYTES);
    new Uint8Array(this.core.memory.buffer, ptr, bytes.length).set(bytes);
    return ptr;
  }
}
