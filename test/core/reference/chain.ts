// The chain, keys and namespaces of assembly/core/prefix/chain.ts once more, in BigInt and straight from its drawing. Slow on purpose.

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotateLeft = (value: bigint, by: bigint): bigint => u64(value << by) | (value >> (64n - by));

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;

export function mix64(x: bigint): bigint {
  let y = x ^ (x >> 33n);
  y = u64(y * 0xff51afd7ed558ccdn);
  y ^= y >> 33n;
  y = u64(y * 0xc4ceb9fe1a85ec53n);
  return y ^ (y >> 33n);
}

const step = (acc: bigint, word: bigint): bigint => u64(rotateLeft(u64(acc + word * P2), 31n) * P1);

/** Eight bytes from `at` on, little-endian, bytes past the end 0. */
function wordAt(bytes: Uint8Array, at: number): bigint {
  let word = 0n;
  for (let i = 7; i >= 0; i--) word = (word << 8n) | BigInt(bytes[at + i] ?? 0);
  return word;
}

export function hashBytes(seed: bigint, bytes: Uint8Array): bigint {
  const whole = bytes.length - (bytes.length % 8);
  let acc = mix64(seed);
  for (let at = 0; at < whole; at += 8) acc = step(acc, wordAt(bytes, at));
  return mix64(step(acc, wordAt(bytes, whole)) ^ u64(BigInt(bytes.length) * P3));
}

export const textHash = (text: string | Uint8Array): bigint => hashBytes(0n, typeof text === 'string' ? Buffer.from(text) : text) || 1n;

/** Namespace of an adapter and a salt; absent and empty count as absent. */
export function namespaceOf(seed: bigint, adapter?: string, salt?: string): bigint {
  const a = adapter ? textHash(adapter) : 0n;
  const s = salt ? textHash(salt) : 0n;
  return mix64(seed ^ rotateLeft(a, 17n) ^ s);
}

/** Chain states of a prompt: the one after each whole stride. */
export function statesOf(prompt: Uint8Array, strideBytes: number, chainSeed: bigint): bigint[] {
  const states: bigint[] = [];
  let acc = mix64(chainSeed);
  for (let at = 0; at + 8 <= prompt.length; at += 8) {
    acc = step(acc, wordAt(prompt, at));
    if ((at + 8) % strideBytes === 0) states.push(acc);
  }
  return states;
}

/** Keys of a prompt: one per whole stride. */
export const keysOf = (prompt: Uint8Array, strideBytes: number, chainSeed: bigint, namespace: bigint): bigint[] =>
  statesOf(prompt, strideBytes, chainSeed).map((acc) => mix64(acc ^ namespace));
