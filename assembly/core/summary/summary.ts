// A pool's decoded summary: what a VM knows of the pool. One long-lived object per pool; bulk data lies in raw memory.

import { Program } from '../prompt/program';
import { ENDPOINT_READY, ENDPOINTS_MAX, MODEL_ENTRY_BYTES, PLANES_MAX } from './format';
import { Matrix } from './matrix';

/** Bytes of an endpoint's row of the table. */
const ENDPOINT_BYTES: usize = 40;

/**
 * One endpoint as published.
 *
 *   u32 address │ u32 name │ u32 namespace │ u8 lengths × 3 │ u8 flags │ u8 rank │ u8 present │ u16 0 │ u16 kv │ u16 running │
 *   u16 waiting │ u16 in flight elsewhere │ u64 address hash
 */
@unmanaged
export class Endpoint {
  address: usize;
  name: usize;
  namespace: usize;
  addressLength: u8;
  nameLength: u8;
  namespaceLength: u8;
  flags: u8;
  rank: u8;
  present: u8;
  kvUsage: u16;
  running: u16;
  waiting: u16;
  inFlight: u16;
  addressHash: u64;

  get ready(): bool {
    return this.present != 0 && (this.flags & ENDPOINT_READY) != 0;
  }
}

export class Summary {
  epoch: u64 = 0;
  sequence: u64 = 0;
  blockTokens: u32 = 16;
  stride: u32 = 64;
  enabled: bool = true;
  ageLimitMs: u32 = 0;
  chainSeed: u64 = 0;
  namespaceSeed: u64 = 0;
  /** Highest endpoint id in use + 1. */
  endpointLimit: u32 = 0;
  planes: StaticArray<Matrix | null> = new StaticArray<Matrix | null>(PLANES_MAX);
  programs: Program[] = [];
  /** Bytes of all matrices. */
  matrixBytes: usize = 0;
  /** A plane did not fit into the limit and was left out. */
  incomplete: bool = false;
  private endpoints: usize;
  private texts: usize = 0;
  private models: usize = 0;
  private modelsEnd: usize = 0;

  constructor() {
    this.endpoints = heap.alloc(<usize>ENDPOINTS_MAX * ENDPOINT_BYTES);
    memory.fill(this.endpoints, 0, <usize>ENDPOINTS_MAX * ENDPOINT_BYTES);
  }

  /** Row of an endpoint, `present` 0 when there is none. Unchecked: id < ENDPOINTS_MAX. */
  endpoint(id: u32): Endpoint {
    return changetype<Endpoint>(this.endpoints + <usize>id * ENDPOINT_BYTES);
  }

  /** Makes the table empty; `bytes` is the address of the texts that the new rows will point to. */
  resetEndpoints(texts: usize): void {
    for (let id: u32 = 0; id < this.endpointLimit; id++) this.endpoint(id).present = 0;
    if (this.texts != 0) heap.free(this.texts);
    this.texts = texts;
    this.endpointLimit = 0;
  }

  /** Takes over a copy of a MODELS section's body. */
  setModels(ptr: usize, length: usize): void {
    if (this.models != 0) heap.free(this.models);
    this.models = ptr;
    this.modelsEnd = ptr + length;
  }

  /** Kind of a model name: MODEL_BASE, MODEL_ADAPTER, or −1 when the pool does not serve it. */
  modelKind(name: usize, length: usize): i32 {
    if (this.models == this.modelsEnd) return 0;
    let at = this.models;
    while (at < this.modelsEnd) {
      const size = <usize>load<u16>(at, 2);
      if (size == length && memory.compare(at + <usize>MODEL_ENTRY_BYTES, name, length) == 0) return load<u8>(at);
      at += <usize>MODEL_ENTRY_BYTES + size;
    }
    return -1;
  }

  resetPrograms(): void {
    for (let i = 0; i < this.programs.length; i++) unchecked(this.programs[i]).free();
    this.programs = [];
  }

  /** Program of a variant, or null. */
  program(variant: u64): Program | null {
    for (let i = 0; i < this.programs.length; i++) if (unchecked(this.programs[i]).variant == variant) return unchecked(this.programs[i]);
    return null;
  }

  setPlane(number: u32, plane: Matrix | null): void {
    const old = this.planes[number];
    if (old !== null) old.free();
    this.planes[number] = plane;
  }

  /** Frees everything in raw memory. The object is done. */
  free(): void {
    for (let i: u32 = 0; i < <u32>PLANES_MAX; i++) this.setPlane(i, null);
    this.resetPrograms();
    this.resetEndpoints(0);
    this.setModels(0, 0);
    heap.free(this.endpoints);
  }
}
