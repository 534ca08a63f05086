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

const engines = [
  { name: 'vllm-0.23.0', blockSize: 16, blocks: 600, fullReports: false, uncachedFirst: false, messages: 812 },
  { name: 'vllm-0.32.0', blockSize: 32, blocks: 300, fullReports: true, uncachedFirst: true, messages: 591 },
];

async function loadCase({ name, blockSize, fullReports }: (typeof engines)[number]) {
  const tokenizer = await loadTokenizer();
  const context = {
    tokenizer,
    template: new ChatTemplate(tokenizer.chatTemplate),
    modelNames: ['tiny-qwen3'],
    loras: new Map(),
    maxModelLength: 8192,
  };
  const hasher = new BlockHasher(blockSize, 's'.repeat(32));
  const translate = new RecordedEvents(hasher);
  const recording = fixture(name);
  const batches = recording.run.flatMap((line) => (line.k === 'msg' ? [translate.batch(line)] : []));
  return { hasher, batches, ...(await groupsOf(recording, batches, { context, blockSize, fullReports })) };
}

describe.each(engines)('$name', (engine) => {
  const { blockSize, blocks, uncachedFirst } = engine;
  const loaded = loadCase(engine);

  test('prompts become the same tokens', async () => {
    expect((await loaded).wrongPrompts).toEqual([]);
  });

  test('every batch of events is the same, and so are the reused tokens', async () => {
    const { hasher, batches, groups } = await loaded;
    expect(batches.length).toBe(engine.messages);
    const search = new ScheduleSearch(batches, 50_000);
    const states = search.run(new CoreHarness({ blockSize, blocks, uncachedFirst, hasher }), groups);
    const stuck = groups[states.length]?.variants[0]?.map((request) => request.name);
    expect(stuck, `no way to run this group; the furthest attempt made batch ${search.furthest}`).toBeUndefined();
    expect(states.at(-1)!.batch).toBe(batches.length);
    const sequential = groups.filter((group) => group.variants.length === 1 && group.variants[0]!.length === 1);
    // sent one at a time: nothing was searched, the engine's work is determined
    expect(sequential.filter((group) => /seq-/.test(group.variants[0]![0]!.name)).length).toBe(200);
    expect(
      groups.flatMap((group) => (group.variants.length === 1 ? group.variants[0]! : [])).filter((r) => r.cachedTokens !== undefined).length,
    ).toBe(345);
  });

  test('a wrong order of eviction is noticed', async () => {
    const { hasher, batches, groups } = await loaded;
    const search = new ScheduleSearch(batches, 50_000);
    const states = search.run(new CoreHarness({ blockSize, blocks, uncachedFirst: !uncachedFirst, hasher }), groups);
    expect(states.length).toBeLessThan(groups.length);
  });
});
