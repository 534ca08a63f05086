// A text built byte by byte in raw memory that is kept: log lines, poll bodies. No strings, no garbage.

export class ByteBuilder {
  ptr: usize;
  length: usize = 0;
  private capacity: usize;

  constructor(capacity: usize = 1024) {
    this.ptr = heap.alloc(capacity);
    this.capacity = capacity;
  }

  clear(): ByteBuilder {
    this.length = 0;
    return this;
  }

  bytes(ptr: usize, length: usize): ByteBuilder {
    this.reserve(length);
    memory.copy(this.ptr + this.length, ptr, length);
    this.length += length;
    return this;
  }

  /** ASCII text of a constant. */
  text(text: string): ByteBuilder {
    const length = <usize>text.length;
    this.reserve(length);
    for (let i: usize = 0; i < length; i++) store<u8>(this.ptr + this.length + i, <u8>load<u16>(changetype<usize>(text) + (i << 1)));
    this.length += length;
    return this;
  }

  byte(byte: u32): ByteBuilder {
    this.reserve(1);
    store<u8>(this.ptr + this.length, <u8>byte);
    this.length++;
    return this;
  }

  /** Decimal. */
  number(value: u64): ByteBuilder {
    this.reserve(20);
    let digits: usize = 1;
    for (let rest = value / 10; rest != 0; rest /= 10) digits++;
    for (let at = digits; at-- > 0; value /= 10) store<u8>(this.ptr + this.length + at, <u8>(0x30 + (value % 10)));
    this.length += digits;
    return this;
  }

  /** Decimal, at least `digits` long. */
  padded(value: u64, digits: u32): ByteBuilder {
    let limit: u64 = 10;
    for (let i: u32 = 1; i < digits; i++, limit *= 10) if (value < limit) this.byte(0x30);
    return this.number(value);
  }

  /** A number from 0 to 1 with at most six decimals, as JSON prints it. */
  share(value: f64): ByteBuilder {
    const millionths = <u64>(value * 1000000.0 + 0.5);
    this.number(millionths / 1000000);
    let rest = millionths % 1000000;
    if (rest == 0) return this;
    let digits: u32 = 6;
    while (rest % 10 == 0) {
      rest /= 10;
      digits--;
    }
    return this.byte(0x2e).padded(rest, digits);
  }

  /** 16 hexadecimal digits. */
  hex(value: u64): ByteBuilder {
    for (let shift: i32 = 60; shift >= 0; shift -= 4) {
      const digit = <u32>(value >> <u64>shift) & 15;
      this.byte(digit < 10 ? 0x30 + digit : 0x57 + digit);
    }
    return this;
  }

  /** A JSON string, quotes included, of UTF-8 bytes. */
  json(ptr: usize, length: usize): ByteBuilder {
    this.byte(0x22);
    for (let i: usize = 0; i < length; i++) {
      const byte = <u32>load<u8>(ptr + i);
      if (byte == 0x22 || byte == 0x5c) this.byte(0x5c).byte(byte);
      else if (byte < 0x20)
        this.text('\\u00')
          .byte(0x30 + (byte >> 4))
          .byte((byte & 15) < 10 ? 0x30 + (byte & 15) : 0x57 + (byte & 15));
      else this.byte(byte);
    }
    return this.byte(0x22);
  }

  private reserve(more: usize): void {
    if (this.length + more <= this.capacity) return;
    this.capacity = (this.length + more) * 2;
    this.ptr = heap.realloc(this.ptr, this.capacity);
  }
}
