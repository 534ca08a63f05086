import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixture, type Recording, type ReqLine, readRecording } from '../fixtures/recording.js';
import { BloomShare } from './bloom.js';
import { loadModel, type Model, packageRoot } from './model.js';
import type { Tampering } from './pool.js';
import { replay } from './replay.js';
import { changesUnderNfc, groupOf, plainTexts, writings } from './requests.js';
import { type Score, score } from './score.js';

const directory = mkdtempSync(join(tmpdir(), 'kvane-precision-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Run {
  readonly status: number;
  readonly output: string;
}

function precision(...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(packageRoot(), 'dist/precision.mjs'), ...args], (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, output: stdout + stderr }),
    );
  });
}

let model: Model;
beforeAll(async () => {
  model = await loadModel();
});

const scored = async (recording: Recording, tampering: Tampering = {}, other: Model = model): Promise<Score> =>
  score(await replay(recording, other, { bloom: false, tampering }));
const row = ({ groups }: Score, name: string) => groups.find((group) => group.name === name)!;
const linesOf = (recording: Recording): string => recording.run.map((line) => JSON.stringify(line)).join('\n');

describe('the command', () => {
  test('meets its bars on the committed recordings, and says so in JSON', { timeout: 240_000 }, async () => {
    const json = join(directory, 'precision.json');
    const { status, output } = await precision('--json', json);
    expect(output).not.toContain('FAILED');
    expect(output.trim().split('\n').at(-1)).toBe('precision: 2 recordings, every bar is met');
    expect(status).toBe(0);
    const { recordings } = JSON.parse(readFileSync(json, 'utf8'));
    expect(recordings.map(({ dir, excluded }: { dir: string; excluded: number }) => [dir, excluded])).toEqual(
      ['vllm-0.23.0', 'vllm-0.32.0'].map((name) => [join(packageRoot(), 'test/fixtures', name), 32]),
    );
    for (const { groups, bloom, blockTokens, strideBytes } of recordings) {
      expect(strideBytes).toBe(blockTokens * 4);
      expect(bloom).toMatchObject({ accepted: true });
      expect(groups.map(({ name }: { name: string }) => name)).toEqual(['canonical', 'own', 'b2b', 'burst', 'single']);
      for (const { name, requests, covered, reasons, withinOneBlock, overByMore, underByMore, maxOverBytes, ...more } of groups) {
        const others = Object.values<number>(reasons).reduce((sum, count) => sum + count, 0);
        expect([name, covered + others, withinOneBlock + overByMore + underByMore]).toEqual([name, requests, covered]);
        expect(maxOverBytes).toBeGreaterThanOrEqual(0);
        // No error is the byte index' own; the rest is staleness.
        expect([name, more.ownError.withinOneBlock, more.promptsWrong]).toEqual([name, covered, 0]);
        if (name === 'canonical' || name === 'own') expect([covered > 0, more.staleness.exact]).toEqual([true, covered]);
      }
    }
  });

  test('an unknown directory, one without a recording, a bad flag: said, exit 2', async () => {
    const nowhere = await precision('/nowhere/at/all');
    expect(nowhere).toMatchObject({ status: 2, output: expect.stringContaining('/nowhere/at/all: no such directory') });
    expect(await precision(directory)).toMatchObject({ status: 2, output: expect.stringContaining('no recording here') });
    expect(await precision('--jsom', 'x')).toMatchObject({ status: 2, output: expect.stringContaining('usage:') });
    expect(await precision('--tokenizer', '/nowhere')).toMatchObject({ status: 2, output: expect.stringContaining('/nowhere') });
  });
});

describe('other recordings', () => {
  test('without a truth file the answers tell the same', async () => {
    const recording = fixture('vllm-0.32.0');
    const told = await scored(recording);
    writeFileSync(join(directory, 'run.jsonl.gz'), gzipSync(linesOf(recording)));
    const derived = await scored(readRecording(directory));
    expect(derived.groups.map(({ misses, ...group }) => [group, misses.length])).toEqual(
      told.groups.map(({ misses, ...group }) => [group, misses.length]),
    );
    expect(derived.failures).toEqual([]);
  });

  test('no events, other tags, answers that tell nothing', async () => {
    const body = { model: 'm', messages: [{ role: 'user', content: 'Hello '.repeat(100) }] };
    const request = (id: number, tag: string, more: object = {}): ReqLine => {
      return { k: 'req', t: 0, id, tag, path: '/v1/chat/completions', body: { ...body, ...more } };
    };
    const requests = [request(1, 'new-tag'), request(2, 'burst-x', { tools: [] }), request(3, 'seq-own'), request(4, 'load')];
    const usage = { prompt_tokens: 1, total_tokens: 1, completion_tokens: 0 };
    const run = [...requests, { k: 'res', t: 1, id: 1, status: 200, usage, prompt_token_ids: [9906] } as const];
    const recording: Recording = { dir: 'x', name: 'x', run, truth: new Map(), renderings: [] };
    const replayed = await replay(recording, model, { bloom: false });
    expect([replayed.blockTokens, replayed.excluded]).toEqual([16, 1]);
    const result = score(replayed);
    expect(result.groups.map(({ requests, covered, reasons }) => [requests, covered, reasons])).toEqual([
      [0, 0, {}],
      [1, 0, { no_truth: 1 }],
      [0, 0, {}],
      [1, 0, { tools: 1 }],
      [1, 1, {}],
    ]);
    expect(result.failures).toEqual([]);
  });
});

describe('the check can fail', () => {
  const recording = fixture('vllm-0.32.0');

  test('events are lost', async () => {
    const result = await scored(recording, { loses: (message) => message % 10 === 5 });
    expect(result.failures).toContainEqual(expect.stringMatching(/^canonical: \d+ of 29 within one block, 100 % are due/));
    expect(row(result, 'canonical').own.under).toBeGreaterThan(0);
    expect(row(result, 'canonical').stale.exact).toBe(29);
  });

  test('the index has another stride', async () => {
    const result = await scored(recording, { indexStrideBytes: 256 });
    expect(result.failures.map((failure) => failure.split(':')[0])).toEqual(expect.arrayContaining(['canonical', 'own', 'single']));
  });

  test('chats cannot be rendered', async () => {
    const program = { ...model.program, chat: false, entries: [] };
    const result = await scored(recording, {}, { ...model, program });
    expect(row(result, 'canonical').covered).toBe(0);
    expect(result.failures).toContainEqual(expect.stringContaining('is plain and not covered: no_program'));
  });

  test('a rendering that differs', async () => {
    const entries = model.program.entries.map((entry) => ({ ...entry, literal: Buffer.concat([entry.literal, Buffer.from(' ')]) }));
    const result = await scored(recording, {}, { ...model, program: { ...model.program, entries } });
    expect(row(result, 'canonical').promptsWrong).toBe(29);
    expect(result.failures.length).toBeGreaterThan(2);
  });

  test('a Bloom matrix that says yes too often, or no to what is there', () => {
    const share = (rate: number, short = 0, walks = 20_000): BloomShare => {
      const bloom = new BloomShare();
      for (let i = 0; i < walks; i++) bloom.add(i % 100 < rate * 100 ? 1 : 0, 50, 0.01);
      for (let i = 0; i < short; i++) bloom.add(-1, 50, 0.01);
      return bloom;
    };
    expect(share(0.01).accepted).toBe(true);
    expect(share(0.02).accepted).toBe(false);
    expect(share(0).accepted).toBe(false);
    expect(share(0.01, 1).accepted).toBe(false);
    // Too few walks to tell by their mean.
    expect(share(0.03, 0, 100).accepted).toBe(true);
    expect(share(0.01, 1, 100).accepted).toBe(false);
  });
});

describe('requests', () => {
  const chat = (body: object): ReqLine => ({ k: 'req', t: 0, id: 1, tag: 'x', path: '/v1/chat/completions', body });
  const messages = [{ role: 'user', content: 'e\u0301' }];

  test('groups', () => {
    const tags = ['seq-canon', 'seq-own', 'b2b-own', 'burst-canon', 'n3', 'load', 'anything'];
    expect(tags.map(groupOf)).toEqual(['canonical', 'own', 'b2b', 'burst', undefined, undefined, 'single']);
  });

  test('plain ones', () => {
    expect(plainTexts(chat({ messages, cache_salt: 's', n: 3 }))).toEqual(['e\u0301']);
    expect(changesUnderNfc(['e\u0301'])).toBe(true);
    expect(plainTexts({ ...chat({ prompt: 'x' }), path: '/v1/completions' })).toEqual(['x']);
    for (const more of [{ tools: [] }, { chat_template_kwargs: { a: 1 } }, { add_generation_prompt: false }, { prompt_logprobs: 1 }])
      expect(plainTexts(chat({ messages, ...more }))).toBeUndefined();
    for (const odd of [[], [{ role: 'tool', content: 'x' }], [{ role: 'user', content: ['x'] }], [{ ...messages[0], name: 'n' }]])
      expect(plainTexts(chat({ messages: odd }))).toBeUndefined();
  });

  test('other writings say the same, in another order', () => {
    const body = { model: 'm', cache_salt: 's', temperature: 0, tools: [1], messages, stream: true };
    const written = writings(chat(body)).map(({ bytes }) => Buffer.from(bytes).toString());
    expect(written.map((text) => JSON.parse(text))).toEqual([body, body, body]);
    expect(Object.keys(JSON.parse(written[1]!))).toEqual(['messages', 'temperature', 'stream', 'model', 'tools', 'cache_salt']);
    expect(written[2]).toContain('e\\u0301');
  });
});
