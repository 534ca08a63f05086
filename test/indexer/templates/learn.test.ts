import { beforeAll, describe, expect, test } from 'vitest';
import { executeChat } from '../../../indexer/templates/execute.js';
import { type LearnResult, learnProgram, stillTrue } from '../../../indexer/templates/learn.js';
import { randomChat, randomSource } from '../../../indexer/templates/random.js';
import type { Renderer } from '../../../indexer/templates/renderer.js';
import { fixture } from '../../fixtures/recording.js';
import { localRenderer, qwen3Template } from '../local-renderer.js';

const options = { nfc: true, completionPrefix: new Uint8Array() };
const learn = (template: string, more = {}) => learnProgram(localRenderer(template), { ...options, ...more });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** Learned program against the renderer on fresh random chats; how many it covered to the end. */
async function check(renderer: Renderer, { program }: LearnResult, chats: number, seed = 99): Promise<number> {
  const random = randomSource(seed);
  let covered = 0;
  for (let i = 0; i < chats; i++) {
    const messages = randomChat(random);
    const truth = await renderer.render({ messages }).catch(() => undefined);
    if (!truth) continue;
    const { bytes, reason } = executeChat(program, messages);
    if (reason === undefined) expect(text(bytes)).toBe(text(truth));
    else expect(text(truth).startsWith(text(bytes))).toBe(true);
    covered += Number(reason === undefined);
  }
  return covered;
}

describe('Qwen3', () => {
  const renderer = localRenderer(qwen3Template());
  let result: LearnResult;
  beforeAll(async () => {
    result = await learnProgram(renderer, options);
  });

  test('is learned whole: every place, nothing refused', () => {
    expect(result.reason).toBeUndefined();
    expect(result.refused).toEqual([]);
    expect(result.verified).toBeGreaterThanOrEqual(100);
    expect(result.renders).toBeLessThan(1200);
  });

  test('300 random chats: byte-exact, or a stop before what is not covered', async () => {
    expect(await check(renderer, result, 300)).toBeGreaterThan(250);
  });

  test.each(['vllm-0.23.0', 'vllm-0.32.0'])('%s: plain string chats of the recorded renderings', (name) => {
    let exact = 0;
    for (const { request, text: recorded, bytes_b64, name: label } of fixture(name).renderings) {
      const plain = ['model', 'messages'].length === Object.keys(request).length;
      const truth = bytes_b64 === undefined ? (recorded ?? '') : Buffer.from(bytes_b64, 'base64').toString('utf8');
      const { bytes, reason } = executeChat(result.program, request.messages);
      if (!plain) continue;
      const strings = request.messages.every(
        (m: { role: string; content: unknown }) =>
          ['system', 'user', 'assistant'].includes(m.role) &&
          (m.content === null || typeof m.content === 'string') &&
          Object.keys(m).length === 2,
      );
      const stable = JSON.stringify(request.messages).normalize('NFC') === JSON.stringify(request.messages);
      if (strings && label !== 'tool_response-looking-user') expect([label, reason]).toEqual([label, stable ? undefined : 'nfc']);
      if (reason === undefined) expect([label, text(bytes)]).toEqual([label, truth]);
      else expect([label, truth.startsWith(text(bytes))]).toEqual([label, true]);
      exact += Number(reason === undefined);
    }
    expect(exact).toBeGreaterThan(20);
  });

  test('enable_thinking: false is a program of its own', async () => {
    const off = await learnProgram(renderer, { ...options, arguments: { enable_thinking: false } });
    expect(off.program.variant).toBe('{"enable_thinking":false}');
    expect(text(executeChat(off.program, [{ role: 'user', content: 'x' }]).bytes)).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect(text(executeChat(result.program, [{ role: 'user', content: 'x' }]).bytes)).toMatch(/assistant\n$/);
  });

  test('a changed template is noticed', async () => {
    expect(await stillTrue(renderer, result.program, { ...options, chats: 5 })).toBe(true);
    const changed = localRenderer(qwen3Template().replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant:\\n'"));
    expect(await stillTrue(changed, result.program, { ...options, chats: 5 })).toBe(false);
  });
});

const LLAMA = `{{- bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content | trim %}{% set messages = messages[1:] %}{% else %}{% set s = '' %}{% endif %}{{- '<|sys|>Date: today\\n' + s + '<|eot|>' }}{% for m in messages %}{{- '<|' + m.role + '|>' + m.content | trim + '<|eot|>' }}{% endfor %}<|assistant|>`;
const STRICT = `{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% elif m.role == 'assistant' %}{{ ' ' + m.content + '</s>' }}{% else %}{{ raise_exception('role') }}{% endif %}{% endfor %}`;
const HOISTED = `{% set ns = namespace(s='') %}{% for m in messages %}{% if m.role == 'system' %}{% set ns.s = ns.s + m.content %}{% endif %}{% endfor %}{{ ns.s }}{% for m in messages %}{% if m.role == 'user' %}{{ '<U>' + m.content }}{% elif m.role == 'assistant' %}{{ '<A>' + m.content + '<E>' }}{% endif %}{% endfor %}<A>`;
const DROPPED = `{% for m in messages %}{% if m.role != 'system' or loop.first %}{{ '<' + m.role + '>' + m.content + '\\n' }}{% endif %}{% endfor %}<assistant>`;
const TITLE = `{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'user' %}{{ m.content | upper }}{% else %}{{ m.content }}{% endif %}{% endfor %}<assistant>`;
const NUMBERED = `{% for m in messages %}{{ '<' + m.role + ' ' + loop.index|string + '>' + m.content }}{% endfor %}<assistant>`;
const CUT_STRIP = `{% for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' %}{% set c = c.split('</think>')[-1].strip() %}{% endif %}{{ '<' + m.role + '>' + c }}{% endfor %}<assistant>`;

describe('other shapes of templates', () => {
  test('trimmed contents, a default system text', async () => {
    const result = await learn(LLAMA);
    expect(result.reason).toBeUndefined();
    expect(text(executeChat(result.program, [{ role: 'user', content: ' \u0085x\u3000 ' }]).bytes)).toBe(
      '<|sys|>Date: today\n<|eot|><|user|>x<|eot|><|assistant|>',
    );
    expect(await check(localRenderer(LLAMA), result, 200)).toBeGreaterThan(180);
  });

  test('strict alternation: places that the template refuses stay unlearned', async () => {
    const result = await learn(STRICT, { verifications: 40 });
    expect(result.reason).toBeUndefined();
    expect(
      executeChat(result.program, [
        { role: 'user', content: 'a' },
        { role: 'user', content: 'b' },
      ]).reason,
    ).toBe('key');
    expect(await check(localRenderer(STRICT), result, 200)).toBeGreaterThan(40);
  });

  test('thoughts cut and the rest stripped', async () => {
    const result = await learn(CUT_STRIP);
    expect(result.reason).toBeUndefined();
    expect(result.refused).toEqual([]);
    expect(await check(localRenderer(CUT_STRIP), result, 200)).toBe(200);
  });

  test('system messages moved to the front: refused, for no prefix can be trusted', async () => {
    const { reason, program } = await learn(HOISTED);
    expect(reason).toContain('moves messages');
    expect(program.chat).toBe(false);
    expect(program.entries).toEqual([]);
  });

  test('system messages dropped in the middle: stops there', async () => {
    const result = await learn(DROPPED);
    expect(result.reason).toBeUndefined();
    expect(
      executeChat(result.program, [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'b' },
      ]),
    ).toMatchObject({ reason: 'key' });
    expect(await check(localRenderer(DROPPED), result, 200)).toBeGreaterThan(100);
  });

  test('contents rewritten: refused, as user messages cannot be rendered', async () => {
    const { reason, program } = await learn(TITLE);
    expect(reason).toBeDefined();
    expect(program.entries).toEqual([]);
  });

  test('numbered messages: what a place does not determine is refused', async () => {
    const result = await learn(NUMBERED);
    await check(localRenderer(NUMBERED), result, 200);
    expect(result.refused.some(({ reason }) => reason === 'ambiguous')).toBe(true);
    expect(executeChat(result.program, [{ role: 'user', content: 'a' }])).toMatchObject({ reason: undefined });
  });

  test('an engine that goes away ends the learning', async () => {
    const renderer: Renderer = { render: () => Promise.reject(new Error('gone')) };
    await expect(learnProgram(renderer, options)).rejects.toThrow('gone');
  });

  test('text before a completion is what the renderer says', async () => {
    const renderer = { ...localRenderer(STRICT), renderCompletion: async (prompt: string) => Buffer.from(`<s>${prompt}`) };
    const { program } = await learnProgram(renderer, { ...options, verifications: 5 });
    expect(text(program.completionPrefix)).toBe('<s>');
  });
});
