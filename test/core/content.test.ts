import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { CONTENT_FUNCTIONS } from '../../assembly/core/summary/format.js';
import { applyContent } from '../../indexer/templates/content.js';
import type { RenderProgram } from '../../indexer/templates/program.js';
import { jsonString, SEED } from './arbitraries.js';
import { BUILDS, type Core, decide, loadCore } from './load.js';
import { CHAIN_SEED, installSummary, NAMESPACE_SEED } from './programs.js';
import { keysOf, namespaceOf } from './reference/chain.js';
import { contentOf } from './reference/render.js';

const STRIDE = 8;
const namespace = namespaceOf(NAMESPACE_SEED);

/** `str.isspace()` of CPython 3.12: every character that it strips, and neighbours that it does not. */
const SPACES =
  '\t\n\u000b\u000c\r\u001c\u001d\u001e\u001f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';
const NO_SPACES =
  '\u0000\u0008\u000e\u001b\u0021\u007f\u0084\u0086\u009f\u00a1\u180e\u1681\u167f\u1fff\u200b\u2027\u202a\u202e\u2030\u205e\u2060\u2fff\u3001\ufeff\u{12000}';
const THINKS = ['</think>', '<think>', '</think', 'think>', '</Think>', '< /think>', '</think>\n\n', '<</think>', '</think></think>', '\n'];

/** The last message of role user has the content; the text is a bracket on both sides of it. */
function programOf(content: number, nfc = false, open = '[open]'): RenderProgram {
  const place = { system: false, afterUser: false, last: true } as const;
  return {
    variant: '{}',
    nfc,
    chat: true,
    completionPrefix: Buffer.alloc(0),
    entries: [
      { ...place, previous: 'begin', role: 'user', literal: Buffer.from(open), content },
      { ...place, previous: 'user', role: 'end', literal: Buffer.from('[this closes the last stride]'), content: 0 },
    ],
  };
}

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...SPACES),
      fc.constantFrom(...NO_SPACES),
      fc.constantFrom(...THINKS),
      fc.constantFrom('a', 'é', '漢', '\u{1f600}'),
    ),
    {
      maxLength: 24,
    },
  )
  .map((parts) => parts.join(''));

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });
  const user = (literal: string): Buffer => Buffer.from(`{"messages":[{"role":"user","content":${literal}}]}`);

  function expectContent(content: number, value: string, literal: string): void {
    const expected = contentOf(content, value);
    expect(applyContent(content, value)).toBe(expected);
    const decision = decide(core, user(literal), true);
    const prompt = Buffer.from(expected === undefined ? '' : `[open]${expected}[this closes the last stride]`);
    expect(decision.reason).toBe(expected === undefined ? 'content' : 'covered');
    expect(decision.promptBytes).toBe(prompt.length);
    expect(decision.keys).toEqual(keysOf(prompt, STRIDE, CHAIN_SEED, namespace));
  }

  describe.each(Array.from({ length: CONTENT_FUNCTIONS }, (_, i) => i))('content function %i', (content) => {
    beforeAll(() => installSummary(core, { program: programOf(content), strideBytes: STRIDE }));

    test('every white space of Python and its neighbours, alone and around a text', () => {
      for (const c of [...SPACES, ...NO_SPACES])
        for (const value of [c, `${c}a`, `a${c}`, `${c}${c} a${c}b ${c}`, `</think>${c}\n`])
          expectContent(content, value, JSON.stringify(value));
    });

    test('think marks in any number and half, escaped or not', () => {
      const written = text.chain((value) => fc.tuple(fc.constant(value), jsonString(fc.constant(value))));
      fc.assert(
        fc.property(written, ([value, literal]) => expectContent(content, value, literal)),
        { seed: SEED + content, numRuns: 120 },
      );
      for (const literal of ['"a<\\/think>\\nb"', '"a</th\\u0069nk>\\n\\nb"', '"\\u003c/think>b"', '"a</think\\u003E b "'])
        expectContent(content, JSON.parse(literal) as string, literal);
    });

    test('absent, null and empty content are empty text', () => {
      for (const message of ['{"role":"user"}', '{"content":null,"role":"user"}', '{"role":"user","content":""}'])
        expect(decide(core, Buffer.from(`{"messages":[${message}]}`), true)).toMatchObject({ reason: 'covered', promptBytes: 35 });
    });
  });

  test('half a surrogate pair and broken escapes end all credit', () => {
    installSummary(core, { program: programOf(0), strideBytes: STRIDE });
    const filler = 'x'.repeat(100);
    for (const half of ['\\ud83d', '\\ude00', '\\ud83dx', '\\ud83d\\ud83d', '\\ud83d\\u0041', '\\ud83d\\n'])
      expect(decide(core, user(`"${filler}${half}"`), true)).toMatchObject({
        reason: 'surrogate',
        keys: [],
        promptBytes: 0,
        destinations: [0],
      });
    for (const broken of ['\\x', '\\u12', '\\u12g4', '\\U0041', '\\0', '\\\u0000'])
      expect(decide(core, user(`"${filler}${broken}"`), true)).toMatchObject({ reason: 'json', keys: [], promptBytes: 0 });
  });

  test('a role or key written with escapes may be the last user: nothing is credited', () => {
    installSummary(core, { program: programOf(0), strideBytes: STRIDE });
    const first = '{"role":"user","content":"a long enough text to fill strides"}';
    for (const odd of ['{"role":"us\\u0065r","content":"x"}', '{"r\\u006fle":"user","content":"x"}', '{"content":"x"}', '{"role":7}'])
      expect(decide(core, Buffer.from(`{"messages":[${first},${odd}]}`), true)).toMatchObject({ reason: 'content', keys: [] });
  });

  test('a tool answer in a user turn is seen through escapes, and its beginning alone is none', () => {
    installSummary(core, { program: programOf(0), strideBytes: STRIDE });
    for (const literal of ['"<tool_response>\\nx"', '"\\u003ctool_response>"', '"<tool\\u005Fresponse\\u003e x</tool_response>"'])
      expect(decide(core, user(literal), true)).toMatchObject({ reason: 'content', keys: [] });
    for (const literal of ['"<tool_response"', '"\\u4f60\\u597d, a text in escapes"', '" <tool_response>"', '"\\ntool_response>...."'])
      expect(decide(core, user(literal), true).reason).toBe('covered');
  });

  test('NFC: covered exactly when normalising changes nothing; else credit ends in the segment that changes', () => {
    const marks = 'e\u0301a\u0308\u0323\u0345\u1100\u1161\u11a8\uac00\u212b\u0958\u00e9\u1ea4\u0915\u093c\u{1d15e}\u{2f800}o\u030a';
    const unit = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...'plain text, ') },
      { weight: 1, arbitrary: fc.constantFrom(...marks) },
    );
    const written = fc.string({ unit, maxLength: 60 }).chain((value) => fc.tuple(fc.constant(value), jsonString(fc.constant(value))));
    for (const content of [0, 1, 4]) {
      installSummary(core, { program: programOf(content, true), strideBytes: STRIDE });
      fc.assert(
        fc.property(written, ([value, literal]) => {
          const prompt = `[open]${contentOf(content, value)!}[this closes the last stride]`;
          const normal = prompt.normalize('NFC');
          const decision = decide(core, user(literal), true);
          const keys = keysOf(Buffer.from(prompt), STRIDE, CHAIN_SEED, namespace);
          if (normal === prompt) {
            expect(decision).toMatchObject({ reason: 'covered', keys });
            return;
          }
          expect(decision.reason).toBe('nfc');
          expect(decision.keys).toEqual(keys.slice(0, decision.keys.length));
          // Not beyond what the engine sees, and not a whole segment short of it.
          let same = 0;
          while (prompt[same] === normal[same]) same++;
          while (/[\udc00-\udfff]/.test(prompt[same]!)) same--;
          expect(decision.keys.length * STRIDE).toBeLessThanOrEqual(Buffer.byteLength(prompt.slice(0, same)));
          let segment = same;
          while (segment > 0 && !/[ -~]/.test(prompt[segment]!)) segment--;
          const sure = Buffer.byteLength(prompt.slice(0, segment));
          expect(decision.keys.length).toBeGreaterThanOrEqual(Math.floor(sure / STRIDE));
        }),
        { seed: SEED + content, numRuns: 300 },
      );
    }
  });

  test('NFC: a character that changes takes back the stride that it ended, however the mark behind it arrives', () => {
    installSummary(core, { program: programOf(0, true), strideBytes: STRIDE });
    for (let pad = 0; pad < 3 * STRIDE; pad++)
      for (const [letter, mark] of [
        ['e', '\u0301'],
        ['e', '\\u0301'],
        ['\\u0065', '\\u0301'],
        ['\u1ea1', '\\u0302'],
        ['\u1112\u1161', '\\u11ab'],
        ['', '\\u212b'],
      ]) {
        const decision = decide(core, user(`"${'x'.repeat(pad)}${letter}${mark} and more text behind it"`), true);
        expect(decision.reason).toBe('nfc');
        expect(decision.keys.length).toBe(Math.floor(('[open]'.length + pad) / STRIDE));
      }
  });

  test('NFC: a mark at the start of a text changes the end of what stands before it, also when that ended a stride', () => {
    for (let pad = 0; pad < 2 * STRIDE; pad++) {
      const before = `${'x'.repeat(pad)}e`;
      const program = { ...programOf(0, true, before), completionPrefix: Buffer.from(before) };
      installSummary(core, { program, strideBytes: STRIDE });
      for (const decision of [
        decide(core, user('"\u0301 and a text"'), true),
        decide(core, Buffer.from('{"prompt":"\\u0301 and a text"}'), false),
      ])
        expect(decision).toMatchObject({ reason: 'nfc', keys: { length: Math.floor(pad / STRIDE) } });
    }
  });
});
