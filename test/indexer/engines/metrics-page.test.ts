import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readMetricsPage } from '../../../indexer/engines/metrics-page.js';

const page = (path: string): string => readFileSync(new URL(`../../fixtures/${path}.prom`, import.meta.url), 'latin1');

test.each([
  ['vllm-0.23.0', 16, 600],
  ['vllm-0.32.0', 32, 300],
])('%s under load and idle', (version, blockTokens, blocks) => {
  const load = readMetricsPage(page(`${version}/metrics-under-load`));
  expect(load.rank(0)).toMatchObject({ running: expect.any(Number), blockTokens, blocks });
  expect(load.rank(0)!.running).toBeGreaterThan(1);
  expect(load.rank(0)!.waiting).toBeGreaterThan(0);
  expect(load.rank(0)!.kvUsage).toBeGreaterThan(0.5);
  expect(load.rank(0)!.cacheHits).toBeGreaterThan(0);
  expect(load.startTime).toBeGreaterThan(1e9);
  const idle = readMetricsPage(page(`${version}/metrics-idle`)).rank(0);
  expect(idle).toMatchObject({ running: 0, waiting: 0 });
});

test('0.32.0: exact values, waiting not taken from waiting_by_reason', () => {
  expect(readMetricsPage(page('vllm-0.32.0/metrics-under-load')).rank(0)).toMatchObject({
    running: 10,
    waiting: 4,
    kvUsage: 0.919732441471572,
    cacheQueries: 407849,
    cacheHits: 216256,
  });
});

const lines = (...text: string[]): string => `${text.join('\n')}\n`;

test('ranks on one page, in any label order', () => {
  const read = readMetricsPage(
    lines(
      'vllm:num_requests_running{engine="0",model_name="m"} 1.0',
      'vllm:num_requests_running{model_name="m",engine="1"} 2.0',
      'vllm:num_requests_waiting{engine="0"} 3',
      'vllm:num_requests_waiting{engine="1"} 4',
    ),
  );
  expect(read.rank(0)).toMatchObject({ running: 1, waiting: 3 });
  expect(read.rank(1)).toMatchObject({ running: 2, waiting: 4 });
  expect(read.rank(2)).toBeUndefined();
});

test('old name of KV usage; no labels; a brace inside a label; no newline at the end', () => {
  const read = readMetricsPage(
    'vllm:num_requests_running 2\nvllm:num_requests_waiting{x="a} 7"} 0\nvllm:gpu_cache_usage_perc 0.25 1700000000',
  );
  expect(read.rank(0)).toMatchObject({ running: 2, waiting: 0, kvUsage: 0.25, blocks: undefined });
  expect(read.startTime).toBeUndefined();
});

test('not an engine: no load', () => {
  expect(readMetricsPage('').rank(0)).toBeUndefined();
  expect(readMetricsPage('<html>').rank(0)).toBeUndefined();
  expect(readMetricsPage('vllm:num_requests_running NaN\nvllm:num_requests_waiting 1\n').rank(0)).toBeUndefined();
  expect(readMetricsPage('vllm:num_requests_running_total{} 1\nvllm:num_requests_waiting 1\n').rank(0)).toBeUndefined();
});
