// The head of a pool in shared data: what lies where, and when the indexer was last heard. Written by the poller alone.
//
//   u32 magic │ u32 bank │ u64 epoch │ u64 sequence │ u64 snapshot sequence │ u32 parts │ u32 0 │ u64 heard, ms since 1970
//
// sequence: of the newest delta in the ring; snapshot sequence, bank, parts: the newest complete snapshot.

import { getShared, resultLength, resultPtr, Status, setShared, Utf8 } from 'as-proxy-wasm';

const MAGIC: u32 = 0x4448564b; // "KVHD"
const BYTES: usize = 48;

export class Head {
  bank: u32 = 0;
  epoch: u64 = 0;
  sequence: u64 = 0;
  snapshotSequence: u64 = 0;
  parts: u32 = 0;
  heardMs: u64 = 0;
  private readonly buffer: usize = heap.alloc(BYTES);

  /** False: there is none, or one that is not ours. */
  read(name: Utf8): bool {
    if (getShared(name) != Status.Ok || resultLength != BYTES || load<u32>(resultPtr) != MAGIC) return false;
    const ptr = resultPtr;
    this.bank = load<u32>(ptr, 4) & 1;
    this.epoch = load<u64>(ptr, 8);
    this.sequence = load<u64>(ptr, 16);
    this.snapshotSequence = load<u64>(ptr, 24);
    this.parts = load<u32>(ptr, 32);
    this.heardMs = load<u64>(ptr, 40);
    return true;
  }

  write(name: Utf8): bool {
    const ptr = this.buffer;
    store<u32>(ptr, MAGIC);
    store<u32>(ptr, this.bank, 4);
    store<u64>(ptr, this.epoch, 8);
    store<u64>(ptr, this.sequence, 16);
    store<u64>(ptr, this.snapshotSequence, 24);
    store<u32>(ptr, this.parts, 32);
    store<u32>(ptr, 0, 36);
    store<u64>(ptr, this.heardMs, 40);
    return setShared(name, ptr, BYTES) == Status.Ok;
  }
}
