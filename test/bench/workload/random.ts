/** Seeded random numbers: every run and every process of a run makes the same texts. */
export interface Random {
  /** 0 ≤ x < 1. */
  next(): number;
  /** Integer, 0 ≤ x < limit. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

/** Murmur3's 32-bit finaliser. */
export function mix32(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A Weyl sequence through `mix32`. */
export function randomSource(seed: number): Random {
  let state = mix32(seed + 0x9e3779b9);
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    return mix32(state) / 0x1_0000_0000;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { next, below, pick: (list) => list[below(list.length)]! };
}
