// GPT-2's byte alphabet: byte-level BPE writes every byte as one printable character. This undoes it.
//   bytes 33..126, 161..172, 174..255 stand for themselves; the other 68, in ascending order, for U+0100, U+0101, …
const toByte = new Map<number, number>();
let next = 256;
for (let byte = 0; byte < 256; byte++) {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  toByte.set(printable ? byte : next++, byte);
}

/** Writes the bytes of a token to `target` at `at`; returns their number, or -1 when a character is outside the alphabet. */
export function bytesOfTokenInto(token: string, target: Uint8Array, at: number): number {
  for (let i = 0; i < token.length; i++) {
    const byte = toByte.get(token.charCodeAt(i));
    if (byte === undefined) return -1;
    target[at + i] = byte;
  }
  return token.length;
}
