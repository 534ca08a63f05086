// The publisher against a pool that is only numbers: planes are real, events are not.
import { encode } from '@msgpack/msgpack';
import { afterEach, describe, expect, test } from 'vitest';
import * as format from '../../../assembly/core/summary/format.js';
import { Plane } from '../../../indexer/index/plane.js';
import { createMetrics } from '../../../indexer/metrics.js';
import { InFlight } from '../../../indexer/publish/in-flight.js';
import { type Publishable, Publisher } from '../../../indexer/publish/publisher.js';
import type { SummaryLoad, SummaryTables } from '../../../indexer/publish/summary.js';
import { readMessages } from '../poller.js';

const seeds = { chainSeed: 1n, namespaceSeed: 2n, strideBytes: 64 };
/** Ids 0..255 are the bytes. */
const table = {
  size: 256,
  bytes: Uint8Array.from({ length: 256 }, (_, i) => i),
  offsets: Uint32Array.from({ length: 257 }, (_, i) => i),
  unknown: new Set<number>(),
  nfc: false,
  completionPrefix: new Uint8Array(),
};

const running: Publisher[] = [];
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
});

async function setUp(timings = { afterMs: 10, changedShare: 0.01, loadMs: 10 }) {
  const plane = await Plane.create({ ...seeds, expectedKeysPerSlot: 4_000 });
  plane.loadTokens(table);
  let load: SummaryLoad[] = [];
  let tables: SummaryTables = {
    parameters: { blockTokens: 16, enabled: true, ageLimitMs: 1_000, ...seeds },
    models: [{ name: 'm', adapter: false }],
    endpoints: [{ id: 0, address: 'a:1', name: 'a', namespace: 'n', rank: 0, ready: true }],
    programs: [],
  };
  const pool: Publishable = {
    name: 'p',
    get tables() {
      return tables;
    },
    planes: [plane],
    load: () => load,
    residentBlocks: () => plane.residentBlocks(0),
  };
  let published = 0;
  const waiters: (() => void)[] = [];
  const publisher = new Publisher(pool, timings, createMetrics(), () => {
    published++;
    for (const wake of waiters.splice(0)) wake();
  });
  running.push(publisher);
  publisher.start();
  let hash = 1n;
  return {
    plane,
    publisher,
    published: () => published,
    next: () => new Promise<void>((resolve) => waiters.push(resolve)),
    setLoad: (next: SummaryLoad[]) => (load = next),
    setTables: (change: Partial<SummaryTables>) => (tables = { ...tables, ...change }),
    /** Stores `blocks` new chains of 64 bytes. */
    store(blocks: number) {
      const events = Array.from({ length: blocks }, () => {
        const tokens = Array.from({ length: 64 }, (_, i) => (i < 4 ? Number(hash >> BigInt(8 * i)) : i) & 255);
        return ['BlockStored', [hash++], null, tokens, 64, null, 'GPU'];
      });
      expect(plane.apply(0, encode([1.5, events, 0], { useBigInt64: true }))).toMatchObject({ status: 'ok', stored: blocks });
      publisher.blocksChanged(blocks);
    },
    ask: (sequence: bigint, epoch = publisher.epoch, room = format.ANSWER_MAX_BYTES) => {
      const messages = publisher.messagesFor({ epoch, sequence }, room);
      return readMessages(Buffer.concat(messages));
    },
  };
}

const loadOf = (running: number, kvUsage = 0.5): SummaryLoad => ({ id: 0, kvUsage, running, waiting: 0, inFlight: 0, ageMs: 0 });

describe('deltas', () => {
  test('who is up to date gets nothing; a change is published once, soon', async () => {
    const { ask, store, next, publisher } = await setUp();
    expect(ask(1n)).toEqual([]);
    store(1);
    await next();
    expect(publisher.sequence).toBe(2n);
    expect(ask(1n)).toMatchObject([{ kind: format.KIND_DELTA, sequence: 2n, base: 1n }]);
    expect(ask(2n)).toEqual([]);
  });

  test('what is polled in between is the same bytes for everybody', async () => {
    const { store, next, publisher } = await setUp();
    store(3);
    await next();
    const state = { epoch: publisher.epoch, sequence: 1n };
    expect(publisher.messagesFor(state, 1 << 20)[0]).toBe(publisher.messagesFor(state, 1 << 20)[0]);
  });

  test('a large share of the blocks does not wait for the timer', async () => {
    const { store, next } = await setUp({ afterMs: 60_000, changedShare: 0.01, loadMs: 10 });
    store(100);
    await next();
  });

  test('tables: only the part that changed', async () => {
    const { setTables, publisher, ask, next } = await setUp();
    setTables({ models: [] });
    publisher.tablesChanged();
    await next();
    expect(ask(1n)[0]!.sections.map(({ type }) => type)).toEqual([format.SECTION_MODELS]);
  });

  test('load: small steps of KV usage add up instead of being lost', async () => {
    const { setLoad, publisher, ask } = await setUp();
    setLoad([loadOf(1, 0.5)]);
    publisher.publish();
    for (const kv of [0.503, 0.506]) {
      setLoad([loadOf(1, kv)]);
      publisher.publish();
    }
    expect(publisher.sequence).toBe(3n);
    expect(ask(2n)[0]!.sections[0]!.body.readUInt16LE(2)).toBe(Math.round(0.506 * 65535));
  });

  test('a late poller within the ring catches up in order; beyond it gets a snapshot', async () => {
    const { setLoad, publisher, ask } = await setUp();
    for (let n = 1; n <= 40; n++) {
      setLoad([loadOf(n)]);
      publisher.publish();
    }
    expect(publisher.sequence).toBe(41n);
    expect(ask(9n).map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: 32 }, (_, i) => 10 + i));
    expect(ask(8n)[0]).toMatchObject({ kind: format.KIND_SNAPSHOT, sequence: 41n });
  });

  test('nothing changed: nothing is published', async () => {
    const { publisher, published } = await setUp();
    publisher.publish();
    expect(published()).toBe(1);
  });
});

describe('snapshots', () => {
  test('of another epoch, of the future, of nothing', async () => {
    const { ask } = await setUp();
    for (const [sequence, epoch] of [
      [1n, 5n],
      [0n, 0n],
      [99n, undefined],
    ] as const) {
      expect(ask(sequence, epoch)[0]).toMatchObject({ kind: format.KIND_SNAPSHOT, part: 0, sequence: 1n });
    }
  });

  test('rows grew: only a snapshot carries it', async () => {
    const { ask, store, publisher } = await setUp();
    for (let n = 0; n < 5; n++) store(2_000);
    publisher.publish();
    expect(ask(1n)[0]).toMatchObject({ kind: format.KIND_SNAPSHOT, sequence: publisher.sequence });
  });

  test('in parts, in several answers, while deltas go on behind it', async () => {
    const { publisher, setTables, setLoad } = await setUp();
    const program = { variant: '{}', nfc: false, chat: false, completionPrefix: new Uint8Array(60_000), entries: [] };
    setTables({
      models: Array.from({ length: 10 }, (_, i) => ({ name: `${i}`.repeat(60_000), adapter: true })),
      programs: Array.from({ length: 10 }, () => program),
    });
    publisher.publish();
    const at = publisher.sequence;
    const room = format.MESSAGE_MAX_BYTES;
    const parts: number[] = [];
    let next = 0;
    for (let guard = 0; guard < 100; guard++) {
      const snapshot = { epoch: publisher.epoch, sequence: at, next };
      const state = next === 0 ? { epoch: 0n, sequence: 0n } : { epoch: 0n, sequence: 0n, snapshot };
      const messages = readMessages(Buffer.concat(publisher.messagesFor(state, room)));
      const sent = messages.filter(({ kind }) => kind === format.KIND_SNAPSHOT);
      expect(sent.every(({ sequence }) => sequence === at)).toBe(true);
      parts.push(...sent.map(({ part }) => part));
      next = parts.length;
      // More deltas than the ring holds, while the snapshot is being fetched.
      for (let n = 0; n < 20; n++) {
        setLoad([loadOf(guard * 20 + n + 1)]);
        publisher.publish();
      }
      if (sent.length > 0 && sent.at(-1)!.part + 1 === sent[0]!.parts) break;
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(parts).toEqual(parts.map((_, i) => i));
    const behind = readMessages(Buffer.concat(publisher.messagesFor({ epoch: publisher.epoch, sequence: at }, room)));
    expect(behind[0]).toMatchObject({ kind: format.KIND_DELTA, base: at });
    expect(behind.at(-1)!.sequence).toBe(publisher.sequence);
  });

  test('a snapshot that is gone: part 0 of a newer one', async () => {
    const { publisher } = await setUp();
    const snapshot = { epoch: publisher.epoch, sequence: 77n, next: 3 };
    const [first] = readMessages(Buffer.concat(publisher.messagesFor({ epoch: 0n, sequence: 0n, snapshot }, 1 << 20)));
    expect(first).toMatchObject({ kind: format.KIND_SNAPSHOT, part: 0, sequence: 1n });
  });
});

test('in flight: the sum over the proxies; those that are gone do not count', () => {
  const inFlight = new InFlight();
  inFlight.report('a', { p: { x: 6 } }, 0);
  inFlight.report('b', { p: { x: 2 } }, 1_000);
  expect(inFlight.total('p', 'x')).toBe(8);
  inFlight.report('b', { p: {} }, 2_000);
  expect(inFlight.total('p', 'x')).toBe(6);
  inFlight.report('c', {}, 60_500);
  expect(inFlight.total('p', 'x')).toBe(0);
});
