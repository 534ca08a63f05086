// A build of core.wasm for tests: the exports of the index and of the request path, and how bytes get in.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CoreExports } from '../../indexer/index/core.js';

/** Exports of assembly/core/exports/request.ts. */
export interface Core extends CoreExports {
  summary_reset(): void;
  summary_apply(ptr: number, length: number, pool: number, poolLength: number, maxBytes: number): number;
  summary_checksum(plane: number, recount: number): bigint;
  summary_word(plane: number, row: number): bigint;
  summary_rows(plane: number): number;
  scanner_bytes(): number;
  scanner_reset(scanner: number): void;
  scanner_scan(scanner: number, body: number, length: number): number;
  decide(body: number, scanner: number, chat: number, openLength: number): number;
  decided_destination(i: number): number;
  decided_reason(): number;
  decided_strides(): number;
  decided_prompt_bytes(): bigint;
  decided_match(id: number): number;
  decided_key(index: number): bigint;
  walk_plane(plane: number, mask: bigint, linear: number): void;
  walked(slot: number): number;
  reason_name(number: number): number;
}

export const BUILDS = ['core', 'core.debug'] as const;
export type Build = (typeof BUILDS)[number];

/** Bytes behind a body that core may read (assembly/core/json/text.ts, prefix/prompt-chain.ts). */
const READABLE_BEHIND = 16;
const PAGE = 1 << 16;

const modules = new Map<Build, WebAssembly.Module>();

/** A fresh instance; the module is compiled once. */
export function loadCore(build: Build): Core {
  let module = modules.get(build);
  if (!module) {
    module = new WebAssembly.Module(readFileSync(fileURLToPath(new URL(`../../dist/${build}.wasm`, import.meta.url))));
    modules.set(build, module);
  }
  const core = new WebAssembly.Instance(module, {}).exports as unknown as Core;
  core._initialize();
  return core;
}

/** Where in an instance's memory inputs lie: the pages behind its heap. */
const areas = new WeakMap<Core, { start: number; end: number }>();

/**
 * Copies bytes to the very end of memory, so that reading more than 16 bytes behind them traps; returns their address. They stay until
 * the next call. The heap never takes these pages: it only grows by what it asks for itself.
 */
export function put(core: Core, bytes: Uint8Array): number {
  const need = bytes.length + READABLE_BEHIND;
  let area = areas.get(core);
  const end = core.memory.buffer.byteLength;
  if (!area || area.end !== end || area.end - area.start < need) {
    core.memory.grow(Math.ceil(need / PAGE));
    area = { start: end, end: core.memory.buffer.byteLength };
    areas.set(core, area);
  }
  const ptr = area.end - need;
  const memory = new Uint8Array(core.memory.buffer);
  memory.set(bytes, ptr);
  // What lies behind must never count: the worst there is for a scanner.
  memory.fill(0x22, ptr + bytes.length, area.end);
  return ptr;
}

const scanners = new WeakMap<Core, number>();

/** Address of the instance's one scanner record, reset. */
export function freshScanner(core: Core): number {
  let scanner = scanners.get(core);
  if (scanner === undefined) {
    scanner = core.allocate(core.scanner_bytes());
    scanners.set(core, scanner);
  }
  core.scanner_reset(scanner);
  return scanner;
}

/** Name of a reason number (AssemblyScript string: UTF-16, byte length in the four bytes before it). */
export function reasonName(core: Core, number: number): string {
  const ptr = core.reason_name(number);
  const length = new DataView(core.memory.buffer).getUint32(ptr - 4, true);
  return Buffer.from(core.memory.buffer, ptr, length).toString('utf16le');
}

const POOL = Buffer.from('p');

/** Applies one message to the instance's summary, as of pool `p`. */
export function applyMessage(core: Core, message: Uint8Array, maxBytes = 1 << 26): number {
  const both = Buffer.concat([POOL, message]);
  const ptr = put(core, both);
  return core.summary_apply(ptr + POOL.length, message.length, ptr, POOL.length, maxBytes);
}

export interface Decision {
  readonly destinations: readonly number[];
  readonly reason: string;
  readonly promptBytes: number;
  readonly keys: readonly bigint[];
}

/** Scans and decides a body as the filter does; open: more of it would come. */
export function decide(core: Core, body: Uint8Array, chat: boolean, open = false): Decision {
  const scanner = freshScanner(core);
  const ptr = put(core, body);
  core.scanner_scan(scanner, ptr, body.length);
  const count = core.decide(ptr, scanner, chat ? 1 : 0, open ? body.length : 0);
  return {
    destinations: Array.from({ length: count }, (_, i) => core.decided_destination(i)),
    reason: reasonName(core, core.decided_reason()),
    promptBytes: Number(core.decided_prompt_bytes()),
    keys: Array.from({ length: core.decided_strides() }, (_, i) => BigInt.asUintN(64, core.decided_key(i))),
  };
}
