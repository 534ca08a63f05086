import { expect, test } from 'vitest';
import { fixture } from '../fixtures/recording.js';
import { loadTokenizer } from './tokenizer.js';

test('the encoder that stands in where the native one does not load makes the same ids', async () => {
  const [native, javascript] = await Promise.all([loadTokenizer(), loadTokenizer('javascript')]);
  for (const { text } of fixture('vllm-0.32.0').renderings) {
    expect(await javascript.encode(text!)).toEqual(await native.encode(text!));
  }
});

test('ids become the bytes of the recorded text again', async () => {
  const tokenizer = await loadTokenizer();
  for (const { token_ids, text } of fixture('vllm-0.23.0').renderings) {
    expect(Buffer.from(tokenizer.decodeBytes(token_ids!)).toString('utf8')).toBe(text);
  }
  expect(tokenizer.decodeBytes([-1, 1e9]).length).toBe(0);
});
