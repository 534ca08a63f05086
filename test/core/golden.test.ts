// Bytes and numbers that indexer and filter of different releases must agree on. They never change within a format version.
//
// After a deliberate change of the format: raise FORMAT_VERSION, then
//   KVANE_WRITE_GOLDEN=1 npx vitest run test/core/golden.test.ts && npx biome format --write test/core/golden
// and commit the files together with the change. A change of the chain, the keys or the rows is one of the format too.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { FORMAT_VERSION } from '../../assembly/core/summary/format.js';
import { poolNumber, writeDelta, writeSnapshot } from '../../indexer/publish/writer.js';
import type { RenderProgram } from '../../indexer/templates/program.js';
import { applyMessage, BUILDS, type Core, decide, loadCore, put } from './load.js';
import { checksumsIn, type PlaneModel, stateOf, wordsIn } from './planes.js';
import { CHAIN_SEED, installSummary, NAMESPACE_SEED, tablesOf } from './programs.js';
import { checksumOf, rowsOf, wordsOf } from './reference/bloom.js';
import { hashBytes, keysOf, namespaceOf, textHash } from './reference/chain.js';

const path = (name: string): string => fileURLToPath(new URL(`golden/${name}.json`, import.meta.url));
const WRITE = process.env.KVANE_WRITE_GOLDEN === '1';

/** The committed values; `make` says what they would be now. */
function golden<T>(name: string, make: () => T): T {
  if (WRITE) writeFileSync(path(name), `${JSON.stringify(make(), null, 2)}\n`);
  if (!existsSync(path(name))) throw new Error(`${path(name)} is missing: see the note at the top of this test`);
  return JSON.parse(readFileSync(path(name), 'utf8')) as T;
}
const hex = (value: bigint): string => value.toString(16).padStart(16, '0');

const program: RenderProgram = {
  variant: '{}',
  nfc: true,
  chat: true,
  completionPrefix: Buffer.from('<s>'),
  entries: [
    { system: false, previous: 'begin', role: 'user', afterUser: false, last: true, literal: Buffer.from('<|u|>'), content: 1 },
    { system: false, previous: 'user', role: 'end', afterUser: false, last: true, literal: Buffer.from('<|é|>'), content: 0 },
  ],
};
const column = (rows: number, every: number): Set<number> => new Set(Array.from({ length: Math.ceil(rows / every) }, (_, i) => i * every));
const model: PlaneModel = {
  plane: 2,
  group: 1,
  hashes: 4,
  rows: 192,
  rowSalt: 0x0123456789abcdefn,
  bits: new Map([
    [0, column(192, 64)],
    [5, column(192, 2)],
    [63, column(192, 1)],
  ]),
};
const tables = {
  ...tablesOf({
    program,
    endpoints: 2,
    models: [
      { name: 'qwen', adapter: false },
      { name: 'ad', adapter: true },
    ],
  }),
};
const load = [{ id: 1, kvUsage: 0.25, running: 3, waiting: 4, inFlight: 5, ageMs: 6 }];
const after: PlaneModel = {
  ...model,
  bits: new Map([
    [0, new Set<number>()],
    [5, column(192, 2)],
    [63, column(192, 1)],
    [7, new Set([0, 1, 191])],
  ]),
};
const envelope = { pool: 'pool-a', epoch: 0xfedcba9876543210n, publishedMs: 1_700_000_000_123 };

const messages = (): { version: number; snapshot: string; delta: string } => {
  const planeDelta = {
    plane: 2,
    rebuilt: false,
    checksum: checksumOf(after.bits),
    cleared: [0],
    toggles: new Map([[7, Uint32Array.of(0, 1, 191)]]),
    changedKeys: 2,
  };
  const [snapshot] = writeSnapshot({ ...envelope, sequence: 41n, tables, load, planes: [stateOf(model)] });
  const delta = writeDelta({ ...envelope, sequence: 42n, tables: { endpoints: tables.endpoints.slice(0, 1) }, load, planes: [planeDelta] });
  return { version: FORMAT_VERSION, snapshot: snapshot!.toString('hex'), delta: delta.toString('hex') };
};

const PROMPT = 'The quick brown fox — 敏捷的棕色狐狸 — jumps over the lazy dog, again and again and again.';
const NAMESPACES = { plain: [], adapter: ['ad'], salt: ['', 'tenant'], both: ['ad', 'tenant'] } as Record<string, [string?, string?]>;

const chain = () => ({
  hashes: Object.fromEntries(['', 'a', 'pool-a', 'eight888', PROMPT].map((text) => [text, hex(hashBytes(7n, Buffer.from(text)))])),
  texts: { ad: hex(textHash('ad')), tenant: hex(textHash('tenant')) },
  pool: poolNumber('pool-a'),
  keys: Object.fromEntries(
    Object.entries(NAMESPACES).map(([name, [adapter, salt]]) => [
      name,
      keysOf(Buffer.from(PROMPT), 16, CHAIN_SEED, namespaceOf(NAMESPACE_SEED, adapter, salt)).map(hex),
    ]),
  ),
  rows: [0n, 1n, 0xffffffffffffffffn].map((key) => rowsOf(key, model.rowSalt, 4_096_000, 4)),
});

test('the writer still writes these messages', () => {
  expect(messages()).toEqual(golden('summary', messages));
});

test('the reference still computes these hashes, keys and rows', () => {
  expect(chain()).toEqual(golden('chain', chain));
});

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });

  test('the reader still reads the messages', () => {
    const { snapshot, delta } = golden('summary', messages);
    const pool = Buffer.from('pool-a');
    core.summary_reset();
    for (const [message, state] of [
      [snapshot, model],
      [delta, after],
    ] as const) {
      const bytes = Buffer.from(message, 'hex');
      const ptr = put(core, Buffer.concat([pool, bytes]));
      expect(core.summary_apply(ptr + pool.length, bytes.length, ptr, pool.length, 1 << 20)).toBe(0);
      expect(wordsIn(core, 2)).toEqual(wordsOf(state.bits, state.rows));
      expect(checksumsIn(core, 2)).toEqual([checksumOf(state.bits), checksumOf(state.bits)]);
      expect(applyMessage(core, bytes)).toBe(5); // of another pool than `p`
    }
    const chat = Buffer.from('{"model":"ad","messages":[{"role":"user","content":" hi "}]}');
    expect(decide(core, chat, true)).toMatchObject({ reason: 'covered', promptBytes: 5 + 2 + 6, destinations: [0] });
    expect(decide(core, Buffer.from('{"model":"other","prompt":"x"}'), false).reason).toBe('model');
  });

  test('core computes these hashes, keys and namespaces', () => {
    const expected = golden('chain', chain);
    const unsigned = (value: bigint): string => hex(BigInt.asUintN(64, value));
    for (const [text, hash] of Object.entries(expected.hashes)) {
      const bytes = Buffer.from(text);
      expect(unsigned(core.hash_bytes(7n, put(core, bytes), bytes.length))).toBe(hash);
    }
    for (const [text, hash] of Object.entries(expected.texts))
      expect(unsigned(core.text_hash(put(core, Buffer.from(text)), text.length))).toBe(hash);
    installSummary(core, {
      models: [
        { name: 'qwen', adapter: false },
        { name: 'ad', adapter: true },
      ],
    });
    for (const [name, [adapter, salt]] of Object.entries(NAMESPACES)) {
      const body = { prompt: PROMPT, ...(adapter && { model: adapter }), ...(salt && { cache_salt: salt }) };
      expect(decide(core, Buffer.from(JSON.stringify(body)), false).keys.map(hex)).toEqual(expected.keys[name]);
    }
  });

  test('hashes of any length and seed are the reference’s', () => {
    const random = Buffer.from(Array.from({ length: 200 }, (_, i) => (i * 89 + (i >> 3)) & 255));
    for (let length = 0; length < 120; length++)
      for (const seed of [0n, 1n, 0xffffffffffffffffn]) {
        const bytes = random.subarray(length, 2 * length > 200 ? 200 : 2 * length);
        expect(BigInt.asUintN(64, core.hash_bytes(seed, put(core, bytes), bytes.length))).toBe(hashBytes(seed, bytes));
      }
    const seeds = [0n, 5n, 2n ** 64n - 1n];
    for (const seed of seeds)
      for (const [adapter, salt] of Object.values(NAMESPACES)) {
        const of = (text?: string): bigint => (text ? textHash(text) : 0n);
        expect(BigInt.asUintN(64, core.namespace_of(seed, of(adapter), of(salt)))).toBe(namespaceOf(seed, adapter, salt));
      }
  });
});
