import { createHmac } from 'node:crypto';

/** Seeds of a pool's hashes: the same on every replica that has the same secret. */
export function seedsOf(secret: string): { chainSeed: bigint; namespaceSeed: bigint } {
  const seed = (purpose: string): bigint => createHmac('sha256', secret).update(`kvane ${purpose} 1`).digest().readBigUInt64LE();
  return { chainSeed: seed('chain'), namespaceSeed: seed('namespace') };
}
