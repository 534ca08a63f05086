// What real engines sent, through the index: nothing is unknown, nothing is left over.
import { beforeAll, describe, expect, test } from 'vitest';
import { Plane } from '../../indexer/index/plane.js';
import { fixture, messageOf } from '../fixtures/recording.js';

/** Ids of Qwen3's tokenizer are below this; what they stand for does not matter here. */
const IDS = 152_064;
const table = {
  size: IDS,
  bytes: Buffer.from(
    Array.from({ length: IDS }, (_, id) => String.fromCharCode(97 + (id % 26), 97 + ((id >> 4) % 26), 97 + ((id >> 9) % 26))).join(''),
  ),
  offsets: Uint32Array.from({ length: IDS + 1 }, (_, i) => i * 3),
  unknown: new Set<number>(),
  nfc: true,
  completionPrefix: new Uint8Array(),
};

interface Run {
  readonly recording: string;
  readonly file: string;
  /** `--num-gpu-blocks-override` of the engine, by rank; one block is the null block. */
  readonly capacity: number;
  readonly ranks: number;
  readonly skipped?: readonly string[];
}
const RUNS: readonly Run[] = [
  { recording: 'vllm-0.23.0', file: 'run.jsonl', capacity: 600, ranks: 1 },
  { recording: 'vllm-0.32.0', file: 'run.jsonl', capacity: 300, ranks: 1 },
  { recording: 'vllm-0.32.0', file: 'lora-bytes-hashes.jsonl', capacity: 300, ranks: 1 },
  { recording: 'vllm-0.32.0', file: 'dp2.jsonl', capacity: 300, ranks: 2 },
  // Removes of the sliding-window group name hashes that are not indexed for it.
  { recording: 'vllm-0.32.0', file: 'hybrid-sliding-window.jsonl', capacity: 600, ranks: 1, skipped: ['group_kind', 'unknown_removed'] },
];

describe.each(RUNS)('$recording $file', ({ recording, file, capacity, ranks, skipped = [] }) => {
  let plane: Plane;
  beforeAll(async () => {
    plane = await Plane.create({ strideBytes: 64, chainSeed: 1n, namespaceSeed: 2n });
    plane.loadTokens(table);
  });

  test('no orphan, no unknown block, never more blocks than the engine has', () => {
    const total = { stored: 0, copies: 0, removed: 0, cleared: 0 };
    const reasons = new Set<string>();
    const seen = new Set<number>();
    let messages = 0;
    for (const line of fixture(recording, file).run) {
      if (line.k !== 'msg') continue;
      const { payload } = messageOf(line);
      const rank = payload[payload.length - 1]!; // the batch's last element
      const result = plane.apply(rank, payload);
      expect(result).toMatchObject({ status: 'ok', rank });
      for (const reason of Object.keys(result.skipped)) reasons.add(reason);
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name];
      seen.add(rank);
      messages++;
      expect(plane.residentBlocks(rank)).toBeLessThanOrEqual(capacity);
      plane.publish();
    }
    expect([...reasons].sort()).toEqual([...skipped].sort());
    expect(messages).toBeGreaterThan(20);
    expect(seen.size).toBe(ranks);
    expect(total.stored).toBeGreaterThan(total.removed);
    let resident = 0;
    for (const rank of seen) {
      resident += plane.residentBlocks(rank);
      expect(plane.residentKeys(rank)).toBeGreaterThan(0);
    }
    if (!total.cleared) expect(total.stored + total.copies - total.removed).toBeGreaterThanOrEqual(resident);
  });
});
