import { expect, test } from 'vitest';
import { fixture } from '../fixtures/recording.js';
import { parseChat } from './chat.js';
import { ChatTemplate } from './template.js';
import { loadTokenizer } from './tokenizer.js';

for (const name of ['vllm-0.23.0', 'vllm-0.32.0']) {
  test(`${name}: every recorded chat shape renders to the engine's own tokens`, async () => {
    const tokenizer = await loadTokenizer();
    const template = new ChatTemplate(tokenizer.chatTemplate);
    const { renderings } = fixture(name);
    expect(renderings.length).toBe(68);
    for (const { name: shape, request, token_ids: expected } of renderings) {
      const text = template.render(parseChat(request, undefined));
      expect(await tokenizer.encode(text), shape).toEqual(expected);
    }
  });
}
