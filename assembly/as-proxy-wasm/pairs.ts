import { Utf8 } from './utf8';

// How the host reads and writes a list of headers (specification, "Serialization"; proxy-wasm-cpp-host src/pairs_util.cc):
//
//   u32 count │ count × (u32 nameLength, u32 valueLength) │ count × (name bytes, 0, value bytes, 0)
//
// The host ignores the whole list when it has more than 1024 pairs, more than 1 MiB, or a byte too many or too few.

const COUNT_BYTES: usize = 4;
const SIZES_BYTES: usize = 8;
const MAX_PAIRS: u32 = 1024;
const MAX_BYTES: usize = 1 << 20;

/**
 * A list of headers to give to the host: always encoded, usable again after `clear`. Allocates when it is made and when it
 * grows. Adding moves the text that is there by 8 bytes, so it is meant for tens of headers, not for hundreds.
 */
export class HeaderPairs {
  /** Address of the encoded list; changes when the list grows. */
  ptr: usize;
  /** Bytes of the encoded list. */
  length: usize = COUNT_BYTES;

  /** Room for `capacity` bytes of encoded list before it grows. */
  constructor(private capacity: usize = 512) {
    this.ptr = heap.alloc(capacity + COUNT_BYTES);
    store<u32>(this.ptr, 0);
  }

  /** name, value, name, value … For start and configuration time. */
  static of(texts: string[]): HeaderPairs {
    const pairs = new HeaderPairs();
    for (let i = 0; i + 1 < texts.length; i += 2) pairs.addText(texts[i], texts[i + 1]);
    return pairs;
  }

  get count(): u32 {
    return load<u32>(this.ptr);
  }

  /** Appends a pair. False, and nothing changed, when the host would no longer read the list. */
  add(namePtr: usize, nameLength: usize, valuePtr: usize, valueLength: usize): bool {
    const grown = <u64>this.length + SIZES_BYTES + nameLength + valueLength + 2;
    if (this.count === MAX_PAIRS || grown > MAX_BYTES) return false;
    this.reserve(<usize>grown);
    const sizes = this.ptr + COUNT_BYTES + <usize>this.count * SIZES_BYTES;
    memory.copy(sizes + SIZES_BYTES, sizes, this.ptr + this.length - sizes);
    store<u32>(sizes, <u32>nameLength);
    store<u32>(sizes, <u32>valueLength, 4);
    const text = this.ptr + this.length + SIZES_BYTES;
    memory.copy(text, namePtr, nameLength);
    store<u8>(text + nameLength, 0);
    memory.copy(text + nameLength + 1, valuePtr, valueLength);
    store<u8>(text + nameLength + 1 + valueLength, 0);
    store<u32>(this.ptr, this.count + 1);
    this.length = <usize>grown;
    return true;
  }

  addText(name: string, value: string): bool {
    const encodedName = Utf8.of(name);
    const encodedValue = Utf8.of(value);
    const added = this.add(encodedName.ptr, encodedName.length, encodedValue.ptr, encodedValue.length);
    encodedName.free();
    encodedValue.free();
    return added;
  }

  /** Empties the list and keeps its memory. */
  clear(): void {
    store<u32>(this.ptr, 0);
    this.length = COUNT_BYTES;
  }

  /** Gives the memory back; the object must not be used afterwards. */
  free(): void {
    heap.free(this.ptr);
  }

  private reserve(bytes: usize): void {
    if (bytes <= this.capacity) return;
    this.capacity = bytes * 2;
    this.ptr = heap.realloc(this.ptr, this.capacity);
  }
}

/** Walks over an encoded list, for instance the result of `getHeaderPairs`: `while (reader.next()) …`. */
export class PairsReader {
  namePtr: usize = 0;
  nameLength: usize = 0;
  valuePtr: usize = 0;
  valueLength: usize = 0;
  private sizes: usize = 0;
  private text: usize = 0;
  private left: u32 = 0;

  /** Starts over on another list. */
  reset(ptr: usize, length: usize): void {
    this.left = length < COUNT_BYTES ? 0 : load<u32>(ptr);
    this.sizes = ptr + COUNT_BYTES;
    this.text = this.sizes + <usize>this.left * SIZES_BYTES;
  }

  next(): bool {
    if (!this.left) return false;
    this.left--;
    this.nameLength = load<u32>(this.sizes);
    this.valueLength = load<u32>(this.sizes, 4);
    this.sizes += SIZES_BYTES;
    this.namePtr = this.text;
    this.valuePtr = this.text + this.nameLength + 1;
    this.text = this.valuePtr + this.valueLength + 1;
    return true;
  }
}
