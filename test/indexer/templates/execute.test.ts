import { describe, expect, test } from 'vitest';
import * as format from '../../../assembly/core/summary/format.js';
import { keyOf, placesOf } from '../../../indexer/templates/chat.js';
import { applyContent } from '../../../indexer/templates/content.js';
import { executeChat, executeCompletion } from '../../../indexer/templates/execute.js';
import type { RenderProgram } from '../../../indexer/templates/program.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const empty = { variant: '{}', nfc: true, chat: true, completionPrefix: bytes('<s>') };

/** A program that writes every place's name, for chats of these roles. */
const program = (roles: ('system' | 'user' | 'assistant')[], content = format.CONTENT_IDENTITY): RenderProgram => ({
  ...empty,
  entries: placesOf(roles).map((place) => ({
    ...place,
    literal: bytes(`<${place.role}>`),
    content: place.role === 'end' ? format.CONTENT_IDENTITY : content,
  })),
});
const run = (of: RenderProgram, messages: unknown) => {
  const { bytes: got, reason } = executeChat(of, messages);
  return [Buffer.from(got).toString('utf8'), reason];
};
const user = (content: unknown) => ({ role: 'user', content });

test('keys are those of the format', () => {
  expect(placesOf(['system', 'user', 'assistant']).map(keyOf)).toEqual([
    1 | (format.ROLE_BEGIN << 1) | (format.ROLE_SYSTEM << 4),
    1 | (format.ROLE_SYSTEM << 1) | (format.ROLE_USER << 4),
    1 | (format.ROLE_USER << 1) | (format.ROLE_ASSISTANT << 4) | (1 << 7) | (1 << 8),
    1 | (format.ROLE_ASSISTANT << 1) | (format.ROLE_END << 4) | (1 << 7) | (1 << 8),
  ]);
});

test('without a user message nothing is behind one', () => {
  expect(placesOf(['system', 'assistant']).some(({ afterUser }) => afterUser)).toBe(false);
});

describe('stops, with what is sure before it', () => {
  test.each<[string, unknown, string, string]>([
    ['no list', undefined, '', 'no_messages'],
    ['an empty list', [], '', 'no_messages'],
    ['an unknown role', [user('a'), { role: 'tool', content: 'b' }], '', 'key'],
    ['a role that is no text', [{ role: 7 }], '', 'role'],
    ['no object', [null], '', 'role'],
    ['content parts', [user([{ type: 'text', text: 'a' }])], '', 'content'],
    ['a name', [{ ...user('a'), name: 'x' }], '', 'field'],
    ['tool calls', [user('a'), { role: 'assistant', content: '', tool_calls: [{}] }], '', 'key'],
    ['what looks like a tool answer', [user('<tool_response>x</tool_response>')], '', 'tool_response'],
  ])('%s', (_, messages, text, reason) => {
    expect(run(program(['user']), messages)).toEqual([text, reason]);
  });

  test('in the middle', () => {
    const of = program(['user', 'assistant', 'user']);
    const turns = [user('a'), { role: 'assistant', content: 'b' }];
    expect(run(of, [...turns, user('c')])).toEqual(['<user>a<assistant>b<user>c<end>', undefined]);
    expect(run(of, [...turns, user(['c'])])).toEqual(['<user>a<assistant>b', 'content']);
    expect(run(of, [...turns, { ...user('c'), name: 'x' }])).toEqual(['<user>a<assistant>b', 'field']);
  });

  test('missing and null contents are empty', () => {
    expect(run(program(['user']), [{ role: 'user' }])).toEqual(['<user><end>', undefined]);
    expect(run(program(['user']), [user(null)])).toEqual(['<user><end>', undefined]);
    expect(run(program(['user']), [{ ...user('a'), name: null }])).toEqual(['<user>a<end>', undefined]);
  });

  test('a thought where thoughts are not covered: before its literal', () => {
    expect(run(program(['user'], format.CONTENT_WITHOUT_THINK), [user('a</think>b')])).toEqual(['', 'think']);
  });

  test.each([
    ['cafe\u0301 x', '<user>caf'],
    ['a\u212b', '<user>a'],
    ['ok \u1100\u1161', '<user>ok '],
  ])('NFC would change %j', (content, before) => {
    expect(run(program(['user']), [user(content)])).toEqual([before, 'nfc']);
    expect(run({ ...program(['user']), nfc: false }, [user(content)])[1]).toBeUndefined();
  });
});

test('completions: prefix, first of a list, nothing else', () => {
  const text = (prompt: unknown) => {
    const { bytes: got, reason } = executeCompletion(empty as unknown as RenderProgram, prompt);
    return [Buffer.from(got).toString(), reason];
  };
  expect(text('x')).toEqual(['<s>x', undefined]);
  expect(text(['x', 'y'])).toEqual(['<s>x', undefined]);
  expect(text([[1, 2]])).toEqual(['', 'content']);
  expect(text(undefined)).toEqual(['', 'content']);
});

describe('content functions', () => {
  const SPACES = '\t\n\v\f\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000';
  test.each<[number, string, string | undefined]>([
    [format.CONTENT_IDENTITY, ' a ', ' a '],
    [format.CONTENT_STRIP, `${SPACES}a${SPACES}`, 'a'],
    [format.CONTENT_STRIP, '\ufeffa\u200b', '\ufeffa\u200b'],
    [format.CONTENT_STRIP, SPACES, ''],
    [format.CONTENT_STRIP_LEFT, ' a ', 'a '],
    [format.CONTENT_STRIP_RIGHT, ' a ', ' a'],
    [format.CONTENT_AFTER_THINK_NEWLINES, '\n\na ', '\n\na '],
    [format.CONTENT_AFTER_THINK_NEWLINES, 'x</think>\n\n a\n', ' a\n'],
    [format.CONTENT_AFTER_THINK_NEWLINES, 'x</think>y</think>\n', ''],
    [format.CONTENT_AFTER_THINK_STRIP, ' a ', 'a'],
    [format.CONTENT_AFTER_THINK_STRIP, 'x</think>\n a \n', 'a'],
    [format.CONTENT_WITHOUT_THINK, '\na', '\na'],
    [format.CONTENT_WITHOUT_THINK, 'x</think>', undefined],
    [format.CONTENT_WITHOUT_THINK_NEWLINES, '\n\n a\n', ' a\n'],
    [format.CONTENT_WITHOUT_THINK_NEWLINES, '</think>', undefined],
    [format.CONTENT_WITHOUT_THINK_STRIP, ' <think> ', '<think>'],
    [format.CONTENT_WITHOUT_THINK_STRIP, ' </think> ', undefined],
  ])('%i of %j', (content, text, want) => {
    expect(applyContent(content, text)).toBe(want);
  });
});
