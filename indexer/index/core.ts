import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Exports of core.wasm (assembly/core/exports). Addresses are numbers, 64-bit values bigints; i64 results are signed: use `unsigned`. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  allocate(bytes: number): number;
  free(ptr: number): void;
  hash_bytes(seed: bigint, ptr: number, length: number): bigint;
  namespace_of(seed: bigint, adapter: bigint, salt: bigint): bigint;
  text_hash(ptr: number, length: number): bigint;
  configure(stride: number, chainSeed: bigint, namespaceSeed: bigint, bitsPerKey: number, hashes: number): void;
  rows_for(keys: number): number;
  rebuild(rows: number, rowSalt: bigint): void;
  reserve_tokens(count: number, longBytes: number): number;
  long_token_bytes(): number;
  set_longest_token(bytes: number): void;
  apply_batch(slot: number, ptr: number, length: number): number;
  counters(): number;
  clear_slot(slot: number): void;
  resident_blocks(slot: number): number;
  resident_keys(slot: number): number;
  fullest_keys(): number;
  has_key(slot: number, key: bigint): number;
  take_changed_keys(): number;
  publish_clear(slot: number): number;
  publish_slot(slot: number): number;
  flipped_rows(): number;
  published_column(slot: number): number;
  plane_checksum(): bigint;
}

export const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

let compiled: WebAssembly.Module | undefined;

/** Where the build put a module: beside the bundle, or in dist/ when the sources run. */
function modulePath(name: string): string {
  const beside = fileURLToPath(new URL(`./${name}`, import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
}

/** A fresh instance of core.wasm; the module is compiled once. */
export function instantiateCore(): CoreExports {
  compiled ??= new WebAssembly.Module(readFileSync(modulePath('core.wasm')));
  const core = new WebAssembly.Instance(compiled, {}).exports as unknown as CoreExports;
  core._initialize();
  return core;
}

let shared: CoreExports | undefined;
let scratch = 0;
let scratchBytes = 0;

/** The chain's `hashBytes` over a byte string, with the one implementation that the filter uses too. */
export function hashBytes(seed: bigint, bytes: Uint8Array): bigint {
  shared ??= instantiateCore();
  if (bytes.length > scratchBytes) {
    if (scratch) shared.free(scratch);
    scratchBytes = Math.max(bytes.length, 4096);
    scratch = shared.allocate(scratchBytes);
  }
  new Uint8Array(shared.memory.buffer, scratch, bytes.length).set(bytes);
  return unsigned(shared.hash_bytes(seed, scratch, bytes.length));
}
