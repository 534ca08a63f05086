// What clients send, and what they should not: JSON texts for the scanner and the renderer.
import fc from 'fast-check';

/** Every run draws the same examples; a failure prints seed and path. */
export const SEED = 20250811;

/** The members that the scanner marks, by number (assembly/core/json/names.ts). */
export const MEMBER_NAMES = [
  'model',
  'messages',
  'prompt',
  'cache_salt',
  'tools',
  'chat_template',
  'chat_template_kwargs',
  'add_generation_prompt',
  'continue_final_message',
  'documents',
  'reasoning_effort',
  'truncate_prompt_tokens',
  'prompt_embeds',
  'prompt_logprobs',
  'add_special_tokens',
  'mm_processor_kwargs',
] as const;

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

const SHORT: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\t': '\\t',
  '\r': '\\r',
  '\b': '\\b',
  '\f': '\\f',
  '"': '\\"',
  '\\': '\\\\',
  '/': '\\/',
};

/** Some way to write a text as a JSON string: each UTF-16 unit as itself or escaped, so that pairs may be cut by an escape. */
export const jsonString = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  text.chain((value) =>
    fc.array(fc.nat(9), { minLength: value.length, maxLength: value.length }).map((choices) => {
      const units = value.split('').map((unit, i) => {
        if (choices[i] === 0) return escaped(unit);
        if (choices[i] === 1) return escaped(unit).toUpperCase().replace('U', 'u');
        if (choices[i] === 2 || unit === '"' || unit === '\\' || unit < ' ') return SHORT[unit] ?? (unit < ' ' ? escaped(unit) : unit);
        return unit;
      });
      const literal = `"${units.join('')}"`;
      // A half left alone by an escape beside it is no UTF-8.
      return Buffer.from(literal).toString() === literal
        ? literal
        : `"${units.map((unit) => (/^[\ud800-\udfff]$/.test(unit) ? escaped(unit) : unit)).join('')}"`;
    }),
  );

/** `JSON.stringify` with white space of any kind between its tokens. */
const spaced = (value: unknown): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom('', '', ' ', '\t', '\n'), fc.constant(value)).map(([indent, v]) => JSON.stringify(v, null, indent));

const text = fc.string({ unit: fc.constantFrom(...'ab"\\/{}[],:é漢\u{1f600}\u0000\n'), maxLength: 20 });
const key = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...MEMBER_NAMES).map((name) => JSON.stringify(name)) },
  { weight: 2, arbitrary: fc.constantFrom('mode', 'models', 'Prompt', 'x', '', 'm{o}d[e]l,:').map((name) => JSON.stringify(name)) },
  { weight: 1, arbitrary: text.map((name) => JSON.stringify(name)) },
);
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).chain(spaced),
  jsonString(text),
  fc.constantFrom('null', 'true', 'false', '0', '-1.5e+10', '1E400', '{}', '[]', '[ ]', '{ }', '"\\\\"', '"\\""', '[["]"],"}"]'),
);

/** An object's text, with duplicates, in any order, with white space. */
export const jsonObject: fc.Arbitrary<string> = fc
  .tuple(fc.array(fc.tuple(space, key, space, space, value, space), { maxLength: 12 }), space, space)
  .map(([members, before, inside]) => {
    const parts = members.map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`);
    return `${before}{${parts.length ? parts.join(',') : inside}}`;
  });

/** Nothing that JSON would allow, much of what it looks like. */
export const nearlyJson: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', ' ', '{"') },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          '"model"',
          '"messages":[',
          '"prompt":"',
          '\\u',
          '\\ud83d',
          '\\"',
          'null',
          '1',
          '"a":',
          '"role":"user"',
          '\u0000',
          'é',
        ),
      },
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

/** Sorted cuts of a text of `length` bytes. */
export const cutsOf = (length: number): fc.Arbitrary<number[]> =>
  fc.array(fc.nat(length), { maxLength: 8 }).map((cuts) => [...new Set(cuts)].sort((a, b) => a - b));
