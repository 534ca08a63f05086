/** A list of headers in order, as the ABI carries it. */
export type Pairs = readonly (readonly [name: string, value: string])[];

const MAX_PAIRS = 1024;
const MAX_PAIRS_BYTES = 1 << 20;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const encodeText = (text: string): Uint8Array => encoder.encode(text);
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);

/** The instance's memory, seen from the host. Views are made anew on each use, for memory moves when it grows. */
export class GuestMemory {
  constructor(private readonly memory: WebAssembly.Memory) {}

  get byteLength(): number {
    return this.memory.buffer.byteLength;
  }

  /** Whether the host could touch these bytes. */
  holds(ptr: number, length: number): boolean {
    return ptr + length <= this.byteLength;
  }

  /** A copy. */
  bytes(ptr: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, length).slice();
  }

  text(ptr: number, length: number): string {
    return decoder.decode(new Uint8Array(this.memory.buffer, ptr, length));
  }

  write(ptr: number, bytes: Uint8Array): void {
    new Uint8Array(this.memory.buffer).set(bytes, ptr);
  }

  writeU32(ptr: number, value: number): void {
    new DataView(this.memory.buffer).setUint32(ptr, value, true);
  }

  writeU64(ptr: number, value: bigint): void {
    new DataView(this.memory.buffer).setBigUint64(ptr, BigInt.asUintN(64, value), true);
  }
}

/** count, (name length, value length) …, (name, 0, value, 0) … */
export function encodePairs(pairs: Pairs): Uint8Array {
  const texts = pairs.map(([name, value]) => [encodeText(name), encodeText(value)] as const);
  const size = texts.reduce((sum, [name, value]) => sum + 8 + name.length + value.length + 2, 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, pairs.length, true);
  let at = 4 + pairs.length * 8;
  texts.forEach(([name, value], i) => {
    view.setUint32(4 + i * 8, name.length, true);
    view.setUint32(8 + i * 8, value.length, true);
    bytes.set(name, at);
    bytes.set(value, at + name.length + 1);
    at += name.length + value.length + 2;
  });
  return bytes;
}

/** `null` where Envoy would silently read an empty list: too long, or not exactly of this form. */
export function decodePairs(bytes: Uint8Array): Pairs | null {
  if (bytes.length === 0) return [];
  if (bytes.length < 4 || bytes.length > MAX_PAIRS_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  if (count > MAX_PAIRS || 4 + count * 8 > bytes.length) return null;
  let at = 4 + count * 8;
  const take = (length: number): string | null => {
    const end = at + length;
    if (end >= bytes.length || bytes[end] !== 0) return null;
    const text = decodeText(bytes.subarray(at, end));
    at = end + 1;
    return text;
  };
  const pairs: [string, string][] = [];
  for (let i = 0; i < count; i++) {
    const name = take(view.getUint32(4 + i * 8, true));
    const value = take(view.getUint32(8 + i * 8, true));
    if (name === null || value === null) return null;
    pairs.push([name, value]);
  }
  return at === bytes.length ? pairs : null;
}
