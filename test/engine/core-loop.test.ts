import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BlockHasher } from './block-hash.js';
import { CoreLoop } from './core-loop.js';
import { KvCache } from './kv-cache.js';
import type { TimingOptions } from './options.js';
import { Scheduler } from './scheduler.js';
import { Sequence } from './sequence.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const hasher = new BlockHasher(16);

function loopWith(timing: TimingOptions, maxSequences = 16) {
  const cache = new KvCache({ blockSize: 16, blocks: 100 });
  const batches: number[] = [];
  const loop = new CoreLoop(new Scheduler(cache, { maxSequences, tokenBudget: 2048 }), timing, () => batches.push(performance.now()));
  const from = performance.now();
  /** milliseconds from now on at which each token comes out */
  const submit = (first: number, length: number, maxTokens: number): number[] => {
    const times: number[] = [];
    const promptIds = Array.from({ length }, (_, i) => first + i);
    const sequence = new Sequence(
      { promptIds, maxTokens, sample: () => 7, onToken: () => times.push(Math.round(performance.now() - from)) },
      hasher,
    );
    sequence.hashBlocks();
    loop.submit(sequence);
    return times;
  };
  return { loop, submit };
}

test('prefill takes time per token that is not cached, decoding per token', async () => {
  const { submit } = loopWith({ prefillMsPerToken: 1, decodeMsPerToken: 10, stepMs: 2 });
  const cold = submit(0, 100, 3);
  await vi.advanceTimersByTimeAsync(1000);
  expect(cold).toEqual([102, 114, 126]);
  const warm = submit(0, 100, 1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(warm).toEqual([1000 + 4 + 2]);
});

test('sequences decode together: the step costs once', async () => {
  const { submit } = loopWith({ decodeMsPerToken: 10, stepMs: 2 });
  const all = [submit(0, 8, 5), submit(100, 8, 5), submit(200, 8, 5)];
  await vi.advanceTimersByTimeAsync(1000);
  for (const times of all) expect(times).toEqual([2, 14, 26, 38, 50]);
});

test('who waits for a place begins when one is free', async () => {
  const { submit } = loopWith({ decodeMsPerToken: 10, stepMs: 2 }, 1);
  const [first, second] = [submit(0, 8, 3), submit(100, 8, 3)];
  await vi.advanceTimersByTimeAsync(1000);
  expect([first, second]).toEqual([
    [2, 14, 26],
    [28, 40, 52],
  ]);
});

test('a stopped engine does nothing more', async () => {
  const { loop, submit } = loopWith({ decodeMsPerToken: 10 });
  const times = submit(0, 8, 100);
  await vi.advanceTimersByTimeAsync(35);
  loop.stop();
  await vi.advanceTimersByTimeAsync(1000);
  expect(times.length).toBe(4);
});
