// A render program in the filter's memory. Source: format.ts, PROGRAMS.
//
//   table: KEYS entries of 8 bytes   │ u32 literal address, 0 = not learned │ u16 literal length │ u8 content function │ u8 0 │

import { CONTENT_FUNCTIONS, KEYS, PROGRAM_BYTES, PROGRAM_CHAT, PROGRAM_ENTRY_BYTES, PROGRAM_NFC } from '../summary/format';

@unmanaged
export class Program {
  variant: u64;
  flags: u32;
  completionPrefix: usize;
  completionPrefixLength: u32;
  /** The bytes that the program was read from, copied; literals point into them. */
  private bytes: usize;
  private table: usize;

  get nfc(): bool {
    return (this.flags & PROGRAM_NFC) != 0;
  }

  get chat(): bool {
    return (this.flags & PROGRAM_CHAT) != 0;
  }

  /** Address of the literal, 0 when this place was not learned. */
  literal(key: u32): usize {
    return load<u32>(this.table + ((<usize>key) << 3));
  }

  literalLength(key: u32): u32 {
    return <u32>load<u16>(this.table + ((<usize>key) << 3), 4);
  }

  content(key: u32): u32 {
    return <u32>load<u8>(this.table + ((<usize>key) << 3), 6);
  }

  free(): void {
    heap.free(this.bytes);
    heap.free(this.table);
    heap.free(changetype<usize>(this));
  }
}

/** Length of the program that begins at `ptr`, or 0 when it does not fit before `end` or says what no version of ours writes. */
export function programLength(ptr: usize, end: usize): usize {
  if (end - ptr < <usize>PROGRAM_BYTES) return 0;
  let at = ptr + <usize>PROGRAM_BYTES + <usize>load<u16>(ptr, 12);
  for (let left = <u32>load<u16>(ptr, 10); left != 0; left--) {
    if (at + <usize>PROGRAM_ENTRY_BYTES > end) return 0;
    if (<i32>load<u16>(at) >= KEYS || <i32>load<u8>(at, 2) >= CONTENT_FUNCTIONS) return 0;
    at += <usize>PROGRAM_ENTRY_BYTES + <usize>load<u16>(at, 4);
  }
  return at <= end ? at - ptr : 0;
}

/** Reads a program of `length` bytes that `programLength` accepted. */
export function readProgram(ptr: usize, length: usize): Program {
  const program = changetype<Program>(heap.alloc(offsetof<Program>()));
  const bytes = heap.alloc(length + 16);
  memory.copy(bytes, ptr, length);
  const table = heap.alloc((<usize>KEYS) << 3);
  memory.fill(table, 0, (<usize>KEYS) << 3);
  store<usize>(changetype<usize>(program), bytes, offsetof<Program>('bytes'));
  store<usize>(changetype<usize>(program), table, offsetof<Program>('table'));
  program.variant = load<u64>(bytes);
  program.flags = load<u8>(bytes, 8);
  program.completionPrefixLength = load<u16>(bytes, 12);
  program.completionPrefix = bytes + <usize>PROGRAM_BYTES;
  let at = program.completionPrefix + <usize>program.completionPrefixLength;
  for (let left = <u32>load<u16>(bytes, 10); left != 0; left--) {
    const entry = table + ((<usize>load<u16>(at)) << 3);
    const literalLength = load<u16>(at, 4);
    store<u32>(entry, <u32>(at + <usize>PROGRAM_ENTRY_BYTES));
    store<u16>(entry, literalLength, 4);
    store<u8>(entry, load<u8>(at, 2), 6);
    at += <usize>PROGRAM_ENTRY_BYTES + <usize>literalLength;
  }
  return program;
}
