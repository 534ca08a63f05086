// The simulated engine against recordings of the real one: its requests, rendered and tokenised by us, with its sampled tokens
// forced. It must store and remove the same blocks, in the same order and the same steps, and reuse the same tokens.
import { describe, expect, test } from 'vitest';
import { fixture } from '../../fixtures/recording.js';
import { BlockHasher } from '../block-hash.js';
import { ChatTemplate } from '../template.js';
import { loadTokenizer } from '../tokenizer.js';
import { CoreHarness } from './core-harness.js';
import { RecordedEvents } from './events.js';
import { groupsOf } from './groups.js';
import { ScheduleSearch } from './schedule-search.js';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly blockSize: number;
  readonly blocks: number;
  readonly is032: boolean;
  /** messages, requests tagged `seq-*`, requests whose reused tokens are compared */
  readonly messages: number;
  readonly sequential: number;
  readonly compared: number;
}

const v023 = { name: 'vllm-0.23.0', blockSize: 16, blocks: 600, is032: false };
const v032 = { name: 'vllm-0.32.0', blockSize: 32, blocks: 300, is032: true };
const cases: Case[] = [
  { ...v023, file: 'run.jsonl', messages: 812, sequential: 200, compared: 345 },
  { ...v032, file: 'run.jsonl', messages: 591, sequential: 200, compared: 345 },
  { ...v032, file: 'lora-bytes-hashes.jsonl', blocks: 200, messages: 21, sequential: 0, compared: 22 },
];

async function loadCase({ name, file, blockSize, is032 }: Case) {
  const tokenizer = await loadTokenizer();
  const context = {
    tokenizer,
    template: new ChatTemplate(tokenizer.chatTemplate),
    modelNames: ['tiny-qwen3'],
    loras: new Map(['ad-one', 'ad-two'].map((lora, i) => [lora, { id: i + 1, name: lora }])),
    maxModelLength: 8192,
  };
  const hasher = new BlockHasher(blockSize, 's'.repeat(32));
  const translate = new RecordedEvents(hasher);
  const recording = fixture(name, file);
  const batches = recording.run.flatMap((line) => (line.k === 'msg' ? [translate.batch(line)] : []));
  return { hasher, batches, ...(await groupsOf(recording, batches, { context, blockSize, fullReports: is032 })) };
}

describe.each(cases)('$name $file', (recorded) => {
  const { blockSize, blocks, is032 } = recorded;
  const loaded = loadCase(recorded);

  test('prompts become the same tokens', async () => {
    expect((await loaded).wrongPrompts).toEqual([]);
  });

  test('every batch of events is the same, and so are the reused tokens', async () => {
    const { hasher, batches, groups } = await loaded;
    expect(batches.length).toBe(recorded.messages);
    const search = new ScheduleSearch(batches, 50_000);
    const states = search.run(new CoreHarness({ blockSize, blocks, uncachedFirst: is032, hasher }), groups);
    const stuck = groups[states.length]?.variants[0]?.map((request) => request.name);
    expect(stuck, `no way to run this group; the furthest attempt made batch ${search.furthest}`).toBeUndefined();
    expect(states.at(-1)!.batch).toBe(batches.length);
    const sequential = groups.filter((group) => group.variants.length === 1 && group.variants[0]!.length === 1);
    // sent one at a time: nothing was searched, the engine's work is determined
    expect(sequential.filter((group) => /seq-/.test(group.variants[0]![0]!.name)).length).toBe(recorded.sequential);
    expect(
      groups.flatMap((group) => (group.variants.length === 1 ? group.variants[0]! : [])).filter((r) => r.cachedTokens !== undefined).length,
    ).toBe(recorded.compared);
  });

  test('a wrong order of eviction is noticed', async () => {
    const { hasher, batches, groups } = await loaded;
    const search = new ScheduleSearch(batches, 50_000);
    const states = search.run(new CoreHarness({ blockSize, blocks, uncachedFirst: !is032, hasher }), groups);
    expect(states.length).toBeLessThan(groups.length);
  });
});
