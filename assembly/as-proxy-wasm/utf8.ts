/**
 * Bytes that stay: the UTF-8 form of a name or constant value, made once at start, in memory that the garbage collector never
 * looks at. Host calls take these instead of strings, so that a request allocates nothing.
 */
export class Utf8 {
  private constructor(
    readonly ptr: usize,
    readonly length: usize,
  ) {}

  /** Encodes `text`. For module constants and configuration time. */
  static of(text: string): Utf8 {
    const length = <usize>String.UTF8.byteLength(text);
    const ptr = heap.alloc(length);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, ptr);
    return new Utf8(ptr, length);
  }

  /** Copies bytes, for instance the last result. */
  static copyOf(ptr: usize, length: usize): Utf8 {
    const copy = heap.alloc(length);
    memory.copy(copy, ptr, length);
    return new Utf8(copy, length);
  }

  equals(ptr: usize, length: usize): bool {
    return length === this.length && memory.compare(ptr, this.ptr, length) === 0;
  }

  /** Gives the bytes back; the object must not be used afterwards. Constants never need it. */
  free(): void {
    heap.free(this.ptr);
  }

  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }
}
