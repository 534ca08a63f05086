// Walking over JSON values that are in memory as a whole. No tree, no recursion: a depth counter and a mode.

import { closingQuote, skipSpace } from './text';

/** Deepest nesting that is followed (Python's own limit is about 1,000). */
export const DEPTH_MAX: i32 = 512;

/** Address behind the value that starts at `ptr`, or 0 when it is cut off, empty or too deep. */
export function skipValue(ptr: usize, end: usize): usize {
  if (ptr >= end) return 0;
  const first = load<u8>(ptr);
  if (first == 0x22) {
    const close = closingQuote(ptr + 1, end);
    return close < end ? close + 1 : 0;
  }
  if (first != 0x7b && first != 0x5b) return skipScalar(ptr, end);
  let depth = 0;
  while (ptr < end) {
    const byte = load<u8>(ptr);
    ptr++;
    if (byte == 0x22) {
      ptr = closingQuote(ptr, end) + 1;
    } else if (byte == 0x7b || byte == 0x5b) {
      if (++depth > DEPTH_MAX) return 0;
    } else if (byte == 0x7d || byte == 0x5d) {
      if (--depth == 0) return ptr;
    }
  }
  return 0;
}

function skipScalar(start: usize, end: usize): usize {
  let ptr = start;
  while (ptr < end) {
    const byte = load<u8>(ptr);
    if (byte == 0x2c || byte == 0x7d || byte == 0x5d || byte <= 0x20 || byte == 0x3a || byte == 0x22) break;
    ptr++;
  }
  return ptr == start ? 0 : ptr;
}

/** A walk over the members of one object or the elements of one array. */
@unmanaged
export class Container {
  private at: usize;
  private limit: usize;
  private fresh: bool;
  /** The walk ended because the text is no valid container. */
  broken: bool;
  /** It ended inside a value, which begins at `valueStart`. */
  cut: bool;
  /** Content of the member's key, quotes excluded. */
  keyStart: usize;
  keyEnd: usize;
  /** The member's or element's value, with its quotes where it is a string. */
  valueStart: usize;
  valueEnd: usize;

  static create(): Container {
    return changetype<Container>(heap.alloc(offsetof<Container>()));
  }

  /** Begins a walk; `ptr` is at the opening brace or bracket. */
  open(ptr: usize, end: usize): void {
    this.at = ptr + 1;
    this.limit = end;
    this.fresh = true;
    this.broken = false;
    this.cut = false;
  }

  /** Where the walk is; behind the container once it has ended well. */
  get end(): usize {
    return this.at;
  }

  /** The next member of an object; false at its end. */
  nextMember(): bool {
    if (!this.advance(0x7d)) return false;
    const limit = this.limit;
    if (this.at >= limit || load<u8>(this.at) != 0x22) return this.fail();
    this.keyStart = this.at + 1;
    this.keyEnd = closingQuote(this.keyStart, limit);
    if (this.keyEnd >= limit) return this.fail();
    this.at = skipSpace(this.keyEnd + 1, limit);
    if (this.at >= limit || load<u8>(this.at) != 0x3a) return this.fail();
    this.at++;
    return this.takeValue();
  }

  /** The next element of an array; false at its end. */
  nextElement(): bool {
    return this.beginElement() && this.endElement();
  }

  /** Goes to the beginning of the next element, `valueStart`; then either `endElement` or `goOn` must follow. */
  beginElement(): bool {
    if (!this.advance(0x5d)) return false;
    this.valueStart = this.at;
    return true;
  }

  /** Passes over the element that was begun; false when it is cut off or no value. */
  endElement(): bool {
    return this.takeValue();
  }

  /** Goes on at `ptr`, behind the element that was begun: somebody else has walked through it. */
  goOn(ptr: usize): void {
    this.at = ptr;
  }

  private advance(close: u32): bool {
    const limit = this.limit;
    let at = skipSpace(this.at, limit);
    if (at >= limit) return this.fail();
    const byte = <u32>load<u8>(at);
    if (byte == close) {
      this.at = at + 1;
      return false;
    }
    if (!this.fresh) {
      if (byte != 0x2c) return this.fail();
      at = skipSpace(at + 1, limit);
    }
    this.at = at;
    this.fresh = false;
    return true;
  }

  private takeValue(): bool {
    const start = skipSpace(this.at, this.limit);
    const end = skipValue(start, this.limit);
    this.valueStart = start;
    this.valueEnd = end == 0 ? this.limit : end; // of a value that is cut off: what is there
    this.cut = end == 0 && start < this.limit;
    if (end == 0) return this.fail();
    this.at = end;
    return true;
  }

  private fail(): bool {
    this.broken = true;
    return false;
  }
}
