import { expect, test } from 'vitest';
import type { KvEvent } from './kv-events.js';
import { CoreHarness, type CoreOptions } from './recorded/core-harness.js';

const core = (options: Partial<CoreOptions> = {}): CoreHarness => new CoreHarness({ blockSize: 4, blocks: 9, ...options });
const request = (promptIds: number[], maxTokens = 1) => ({ promptIds, maxTokens, sample: (i: number) => 100 + i });
const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const short = (batches: KvEvent[][]): string[] =>
  batches.map((events) =>
    events.map((event) => (event.type === 'AllBlocksCleared' ? 'C' : `${event.type[5]}${event.blockHashes.length}`)).join(' '),
  );

test('a prompt of whole blocks sent again stores its last block a second time, and each copy is removed once', () => {
  const engine = core();
  engine.add(request(range(0, 8)));
  expect(short(engine.drain())).toEqual(['S2']);
  const again = engine.add(request(range(0, 8)));
  expect(short(engine.drain())).toEqual(['S1']);
  expect(again.cachedTokens).toBe(4);
  engine.add(request(range(50, 32)));
  expect(short(engine.drain())).toEqual(['R1 R1 R1 S8']);
});

test('a chain is evicted from its end', () => {
  const engine = core();
  engine.add(request(range(0, 12)));
  const [[stored]] = engine.drain() as [[KvEvent]];
  engine.add(request(range(50, 24)));
  const [events] = engine.drain() as [KvEvent[]];
  const removed = events.flatMap((event) => (event.type === 'BlockRemoved' ? event.blockHashes : []));
  expect(stored.type === 'BlockStored' && removed).toEqual(stored.type === 'BlockStored' && [stored.blockHashes[2]]);
});

test('blocks of running requests are never evicted: who does not fit waits', () => {
  const engine = core();
  const long = engine.add(request(range(0, 20), 8));
  const late = engine.add(request(range(50, 20)));
  engine.step();
  expect([long.computed, late.cachedTokens]).toEqual([20, -1]);
  engine.drain();
  expect(late.finish).toBe('length');
});

test('a prefill beyond the budget is stored in one event per step', () => {
  const engine = core({ tokenBudget: 12 });
  engine.add(request(range(0, 30)));
  expect(short(engine.drain())).toEqual(['S3', 'S3', 'S1']);
});

test('decoding that runs out of room preempts the youngest, which starts again', () => {
  const engine = core();
  const first = engine.add(request(range(0, 13), 12));
  const second = engine.add(request(range(50, 13), 12));
  engine.drain();
  expect([first.outputLength, second.outputLength]).toEqual([12, 12]);
  expect(engine.scheduler.counts.preemptions).toBeGreaterThan(0);
  expect(engine.cache.usedBlocks).toBe(0);
});

test('a reset is refused while blocks are in use', () => {
  const engine = core();
  engine.add(request(range(0, 8), 4));
  engine.step();
  expect(engine.cache.reset()).toBe(false);
  engine.drain();
  expect(engine.cache.reset()).toBe(true);
});
