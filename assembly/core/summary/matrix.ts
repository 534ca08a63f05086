// One plane: a Bloom matrix whose row word holds one bit of up to 64 endpoints. Source: DESIGN section 1, format.ts.
//
//   bits: u64 × rows, bit s of word r = row r of slot s's filter

import { bitMix } from '../prefix/rows';

@unmanaged
export class Matrix {
  kind: u32;
  tier: u32;
  group: u32;
  hashes: u32;
  rows: u32;
  weight: u32;
  salt: u64;
  /** XOR of bitMix over the set bits: adopted from a snapshot, kept up by every change after it. */
  checksum: u64;
  private bits: usize;

  static create(rows: u32): Matrix {
    const matrix = changetype<Matrix>(heap.alloc(offsetof<Matrix>()));
    matrix.rows = rows;
    matrix.bits = heap.alloc(matrixBytes(rows));
    memory.fill(matrix.bits, 0, matrixBytes(rows));
    return matrix;
  }

  free(): void {
    heap.free(this.bits);
    heap.free(changetype<usize>(this));
  }

  /** Word of a row. Unchecked. */
  word(row: u32): u64 {
    return load<u64>(this.bits + ((<usize>row) << 3));
  }

  /** Sets one bit; the checksum is not touched. Unchecked. */
  set(row: u32, slot: u32): void {
    const ptr = this.bits + ((<usize>row) << 3);
    store<u64>(ptr, load<u64>(ptr) | ((<u64>1) << (<u64>slot)));
  }

  /** Flips one bit. Unchecked. */
  toggle(row: u32, slot: u32): void {
    const ptr = this.bits + ((<usize>row) << 3);
    store<u64>(ptr, load<u64>(ptr) ^ ((<u64>1) << (<u64>slot)));
    this.checksum ^= bitMix(row, slot);
  }

  /** Makes all bits of a slot 0. */
  clear(slot: u32): void {
    const bit = (<u64>1) << (<u64>slot);
    for (let row: u32 = 0; row < this.rows; row++) if ((this.word(row) & bit) != 0) this.toggle(row, slot);
  }

  /** The checksum from the bits themselves: what it must be. For tests and doubt, not for the request path. */
  recount(): u64 {
    let sum: u64 = 0;
    for (let row: u32 = 0; row < this.rows; row++) {
      let word = this.word(row);
      while (word != 0) {
        sum ^= bitMix(row, <u32>ctz<u64>(word));
        word &= word - 1;
      }
    }
    return sum;
  }
}

export function matrixBytes(rows: u32): usize {
  return (<usize>rows) << 3;
}
