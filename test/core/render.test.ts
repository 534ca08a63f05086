import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { executeChat, executeCompletion } from '../../indexer/templates/execute.js';
import type { RenderProgram } from '../../indexer/templates/program.js';
import { jsonString, SEED } from './arbitraries.js';
import { BUILDS, type Core, decide, loadCore } from './load.js';
import { CHAIN_SEED, installSummary, NAMESPACE_SEED, randomProgram } from './programs.js';
import { keysOf, namespaceOf } from './reference/chain.js';
import { type Body, type Message, render } from './reference/render.js';

const PROGRAMS = 8;
const CHATS = 60;

const piece = fc.oneof(
  fc.constantFrom('</think>', '<think>', '\n\n', ' ', '\u3000', '\u0085', '\u001c', '\u2028', '\ufeff', '</think', 'think>', '</think>\n'),
  fc.constantFrom(
    'hello',
    'é',
    '漢字',
    '\u{1f600}',
    '\u{10fffd}\u{1f47e}',
    '"',
    '\\',
    '/',
    '\u0000',
    '<|im_end|>',
    '</thin',
    'x'.repeat(33),
    '{"a":[1]}',
    '<tool_response>',
    '<tool_',
  ),
);
const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));

/** A JSON object's text from members that are texts already, in any order. */
const objectOf = (members: fc.Arbitrary<readonly (readonly [string, string])[]>): fc.Arbitrary<string> =>
  members
    .chain((list) => fc.shuffledSubarray([...list], { minLength: list.length, maxLength: list.length }))
    .map((list) => `{${list.map(([key, value]) => `"${key}":${value}`).join(', ')}}`);

const role = fc.constantFrom('system', 'user', 'user', 'user', 'assistant', 'assistant', 'tool', 'developer');
const oddRole = fc.oneof({ weight: 40, arbitrary: role }, { weight: 1, arbitrary: fc.constantFrom('function', 'User', '') });
const content = fc.oneof(
  { weight: 20, arbitrary: jsonString(text) },
  { weight: 1, arbitrary: fc.constantFrom('null', '""', '[{"type":"text","text":"a"}]', '7') },
);
const more = fc.oneof(
  { weight: 20, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom([['name', 'null']], [['name', '"x"']], [['tool_calls', '[]']]) as fc.Arbitrary<[string, string][]>,
  },
);
const message = objectOf(
  fc.tuple(oddRole, content, more).map(([r, c, m]) => [['role', JSON.stringify(r)], ['content', c], ...m] as [string, string][]),
);
const salt = fc.constantFrom(undefined, undefined, '"tenant"', '"t\\u00e9\\n"', '""', 'null');
const model = fc.constantFrom(undefined, '"base"', '"adapter"', '"adap\\u0074er"');
const option = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom<[string, string] | undefined>(
      undefined,
      ['stream', 'true'],
      ['tools', 'null'],
      ['add_special_tokens', 'false'],
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<[string, string]>(
      ['tools', '[]'],
      ['chat_template', '"x"'],
      ['chat_template_kwargs', '{ }'],
      ['chat_template_kwargs', '{"enable_thinking":false}'],
      ['add_generation_prompt', 'true'],
      ['add_generation_prompt', 'false'],
      ['continue_final_message', 'true'],
      ['documents', '[]'],
      ['reasoning_effort', '"low"'],
      ['truncate_prompt_tokens', '5'],
      ['prompt_logprobs', '0'],
      ['prompt_embeds', '"AA"'],
      ['add_special_tokens', 'true'],
    ),
  },
);

const bodyOf = (main: fc.Arbitrary<[string, string]>): fc.Arbitrary<string> =>
  objectOf(
    fc.tuple(main, salt, model, option).map(([m, s, n, o]) => {
      const members: [string, string][] = [m, ['user', '"messages"'], ['stop', '["\\"}",{"messages":[]}]']];
      if (s !== undefined) members.push(['cache_salt', s]);
      if (n !== undefined) members.push(['model', n]);
      if (o !== undefined) members.push(o);
      return members;
    }),
  );
const chat = bodyOf(fc.array(message, { maxLength: 8 }).map((list) => ['messages', `[${list.join(' ,')}]`]));
const completion = bodyOf(
  fc
    .oneof(
      { weight: 6, arbitrary: jsonString(text) },
      jsonString(text).map((t) => `[ ${t},"other"]`),
      fc.constantFrom('[]', '[1,2]', 'null', '{}', '[[1]]'),
    )
    .map((t) => ['prompt', t]),
);

describe.each(BUILDS)('%s', (build) => {
  let core: Core;
  beforeAll(() => {
    core = loadCore(build);
  });
  const models = [
    { name: 'base', adapter: false },
    { name: 'adapter', adapter: true },
  ];

  function expectDecision(program: RenderProgram, strideBytes: number, json: string, isChat: boolean): void {
    const body = JSON.parse(json) as Body;
    const expected = render(program, body, isChat);
    const decision = decide(core, Buffer.from(json), isChat);
    expect(decision.reason).toBe(expected.reason);
    const bytes = Buffer.from(expected.text);
    const namespace = namespaceOf(
      NAMESPACE_SEED,
      body.model === 'adapter' ? 'adapter' : undefined,
      (body.cache_salt ?? undefined) as string,
    );
    expect(decision.promptBytes).toBe(bytes.length);
    expect(decision.keys).toEqual(keysOf(bytes, strideBytes, CHAIN_SEED, namespace));
    expect(decision.destinations).toEqual([0]);
  }

  test.each(Array.from({ length: PROGRAMS }, (_, i) => i))('chats, program %i: same bytes, keys and reason as the reference', (i) => {
    const program = randomProgram(SEED + i, i % 2 ? 100 : 85);
    const strideBytes = [8, 16, 24, 64][i % 4]!;
    installSummary(core, { program, strideBytes, models });
    fc.assert(
      fc.property(chat, (json) => expectDecision(program, strideBytes, json, true)),
      { seed: SEED + i, numRuns: CHATS },
    );
  });

  test('completions: prefix, list of prompts, special tokens', () => {
    for (let i = 0; i < 4; i++) {
      const program = randomProgram(SEED + i, 0, { chat: i < 2 });
      installSummary(core, { program, strideBytes: 16, models });
      fc.assert(
        fc.property(completion, (json) => expectDecision(program, 16, json, false)),
        { seed: SEED + i, numRuns: CHATS },
      );
    }
  });

  test('the executor that verifies programs in the indexer says the same', () => {
    const program = randomProgram(SEED, 100);
    installSummary(core, { program, strideBytes: 8 });
    const turn = fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: fc.oneof(text, fc.constant(null)) });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 6 }), (messages) => {
        // The executor asks for the closing mark too; core does not look that far and gives up sooner.
        fc.pre(messages.every(({ content }) => !content?.startsWith('<tool_response>')));
        const { bytes, reason } = executeChat(program, messages);
        const decision = decide(core, Buffer.from(JSON.stringify({ messages })), true);
        const keys = keysOf(bytes, 8, CHAIN_SEED, namespaceOf(NAMESPACE_SEED));
        if (reason === undefined) expect(decision).toMatchObject({ reason: 'covered', promptBytes: bytes.length, keys });
        else expect(decision.keys.slice(0, keys.length)).toEqual(keys);
      }),
      { seed: SEED, numRuns: 300 },
    );
    const prompt = 'a completion prompt';
    expect(decide(core, Buffer.from(JSON.stringify({ prompt })), false).promptBytes).toBe(executeCompletion(program, prompt).bytes.length);
  });

  test('a body decided before its end never earns a key that the whole body does not', () => {
    const program = randomProgram(SEED + 3, 100);
    installSummary(core, { program, strideBytes: 8 });
    const turn = fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: text });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), fc.nat(400), (messages: Message[], cut) => {
        for (const [body, isChat] of [
          [{ messages }, true],
          [{ prompt: messages[0]!.content }, false],
        ] as const) {
          const bytes = Buffer.from(JSON.stringify(body));
          const whole = decide(core, bytes, isChat);
          const early = decide(core, bytes.subarray(0, Math.min(cut, bytes.length - 1)), isChat, true);
          if (whole.reason === 'covered') expect(whole.keys.slice(0, early.keys.length)).toEqual(early.keys);
          expect(early.reason).not.toBe('covered');
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
