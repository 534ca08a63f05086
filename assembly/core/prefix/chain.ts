// The chain: a running 64-bit hash over the bytes of a prompt, 8 bytes a step, never reset. Source: DESIGN section 2.
//
//   word      w = 8 prompt bytes, little-endian
//   step      acc' = rotl(acc + w × P2, 31) × P1                      (the XXH64 round)
//   start     acc0 = mix64(chain seed)
//   key[i]    mix64(acc after i × stride bytes ^ namespace), i = 1, 2, …
//   namespace mix64(namespace seed ^ rotl(H(adapter), 17) ^ H(salt)), with H(absent) = 0
//
// Wasm has no 64×64→128 multiply, so XXH64's round beats wyhash here (facts on Wasm speed).

export const P1: u64 = 0x9e3779b185ebca87;
export const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;

/** Finaliser of MurmurHash3 (fmix64): every input bit reaches every output bit. */
export function mix64(x: u64): u64 {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

/** One step of the chain over one word. */
export function step(acc: u64, word: u64): u64 {
  return rotl<u64>(acc + word * P2, 31) * P1;
}

/** The word made of the last `count` (0..7) bytes at `ptr`; missing bytes are 0. */
export function tailWord(ptr: usize, count: usize): u64 {
  let word: u64 = 0;
  for (let i: usize = 0; i < count; i++) word |= (<u64>load<u8>(ptr + i)) << ((<u64>i) << 3);
  return word;
}

/** Hash of `length` bytes at `ptr`: chain steps over whole words, the tail and the length, then `mix64`. */
export function hashBytes(seed: u64, ptr: usize, length: usize): u64 {
  let acc = mix64(seed);
  const end = ptr + (length & ~7);
  while (ptr < end) {
    acc = step(acc, load<u64>(ptr));
    ptr += 8;
  }
  return mix64(step(acc, tailWord(ptr, length & 7)) ^ (<u64>length * P3));
}

/** Namespace of an adapter name and a cache salt, each a `textHash`, or 0 when absent. */
export function namespaceOf(seed: u64, adapter: u64, salt: u64): u64 {
  return mix64(seed ^ rotl<u64>(adapter, 17) ^ salt);
}

/** Key of a prompt prefix: the chain state at its end, inside a namespace. */
export function keyOf(acc: u64, namespace: u64): u64 {
  return mix64(acc ^ namespace);
}

/** Hash of an adapter's name or of a cache salt, for `namespaceOf`; never 0. */
export function textHash(ptr: usize, length: usize): u64 {
  const hash = hashBytes(0, ptr, length);
  return hash == 0 ? 1 : hash;
}
