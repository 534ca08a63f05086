// Recordings of real engines through router, streams and index, against a count of hashes by an independent decoder.
import { decode } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { readReplayed } from '../../../indexer/events/frames.js';
import { EventRouter } from '../../../indexer/events/router.js';
import { Endpoint } from '../../../indexer/index/endpoint.js';
import { EventCounters } from '../../../indexer/index/event-counters.js';
import { Plane } from '../../../indexer/index/plane.js';
import { seedsOf } from '../../../indexer/index/seeds.js';
import { createMetrics } from '../../../indexer/metrics.js';
import { loadTokenTable } from '../../../indexer/tokens/load.js';
import { fixture, type Recording } from '../../fixtures/recording.js';
import { QWEN3_FOLDER } from '../local-renderer.js';

const table = loadTokenTable(QWEN3_FOLDER);
const frames = (recording: Recording): Buffer[][] =>
  recording.run.flatMap((line) => (line.k === 'msg' ? [line.frames.map((frame) => Buffer.from(frame, 'base64'))] : []));

async function replayed(recording: Recording, blockTokens: number, ranks: number[]) {
  const metrics = createMetrics();
  const plane = await Plane.create({ strideBytes: 4 * blockTokens, ...seedsOf('secret') });
  plane.loadTokens(table);
  const messages = frames(recording);
  const [, pod] = messages[0]![0]!.toString().split('@');
  const endpoints = ranks.map(
    (rank) =>
      new Endpoint({
        id: rank,
        config: { name: 'pod', namespace: 'default', address: pod!, rank, events: undefined, replay: undefined, url: '' },
        plane,
        replay: undefined,
        counters: new EventCounters(metrics, 'p'),
        changed: () => {},
        cleared: () => {},
      }),
  );
  const router = new EventRouter(
    'kv@',
    endpoints.map(({ config, stream }) => ({ ...config, stream })),
  );
  for (const message of messages) expect(router.route(message)).toBeUndefined();
  return { endpoints, metrics };
}

type Fields = { type: string; block_hashes?: (bigint | Uint8Array)[]; group_idx?: number; kv_cache_spec_kind?: string };

/** Hashes that a rank holds in the end: stored and not as often removed. */
function heldBy(recording: Recording, rank: number): number {
  const copies = new Map<string, number>();
  for (const [, , payload] of frames(recording)) {
    const [, events, from] = decode(payload!, { useBigInt64: true }) as [number, unknown[], number];
    if (Number(from) !== rank) continue;
    for (const event of events) {
      const [type, hashes] = Array.isArray(event)
        ? (event as [string, Fields['block_hashes']])
        : [(event as Fields).type, (event as Fields).block_hashes];
      if (type === 'AllBlocksCleared') copies.clear();
      for (const hash of hashes ?? []) {
        const key = typeof hash === 'object' ? Buffer.from(hash).toString('hex') : String(hash);
        const count = (copies.get(key) ?? 0) + (type === 'BlockStored' ? 1 : -1);
        if (count > 0) copies.set(key, count);
        else copies.delete(key);
      }
    }
  }
  return copies.size;
}

test.each<[string, string, number, number[]]>([
  ['vllm-0.23.0', 'run.jsonl', 16, [0]],
  ['vllm-0.32.0', 'run.jsonl', 32, [0]],
  ['vllm-0.32.0', 'dp2.jsonl', 32, [0, 1]],
])('%s %s: the index holds what the engine held', async (name, file, blockTokens, ranks) => {
  const recording = fixture(name, file);
  const { endpoints, metrics } = await replayed(recording, blockTokens, ranks);
  for (const { config, stream, residentBlocks } of endpoints) {
    expect(stream).toMatchObject({ complete: true, restarts: 0 });
    expect(residentBlocks).toBe(heldBy(recording, config.rank));
    expect(residentBlocks).toBeGreaterThan(10);
  }
  const { values } = await metrics.eventsSkipped.get();
  // A full report of 0.32.0 is a store with nil parent whose blocks are all there: nothing of it is skipped.
  expect(values).toEqual([]);
  expect((await metrics.streamIncidents.get()).values).toEqual([]);
});

describe('recorded replays', () => {
  test.each([
    ['vllm-0.23.0', 'run.jsonl'],
    ['vllm-0.32.0', 'run.jsonl'],
    ['vllm-0.32.0', 'dp2.jsonl'],
  ])('%s %s: every reply is read, the last is the end', (name, file) => {
    let replays = 0;
    for (const line of fixture(name, file).run) {
      if (line.k !== 'replay') continue;
      const messages = line.messages.map((message) => readReplayed(message.map((frame) => Buffer.from(frame, 'base64'))));
      expect(messages).not.toContain('malformed');
      expect(messages.indexOf('end')).toBe(messages.length - 1);
      replays++;
    }
    expect(replays).toBeGreaterThan(0);
  });
});
