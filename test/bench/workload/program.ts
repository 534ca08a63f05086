import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { learnProgram } from '../../../indexer/templates/learn.js';
import type { RenderProgram } from '../../../indexer/templates/program.js';
import { localRenderer } from '../../indexer/local-renderer.js';
import { QWEN3_FOLDER } from '../paths.js';

let learned: Promise<RenderProgram> | undefined;

/** The render program of Qwen3, learned from its own chat template as the indexer learns it from an engine. */
export function qwen3Program(): Promise<RenderProgram> {
  return (learned ??= learn());
}

async function learn(): Promise<RenderProgram> {
  const config = JSON.parse(readFileSync(join(QWEN3_FOLDER, 'tokenizer_config.json'), 'utf8')) as { chat_template: string };
  const { program, reason } = await learnProgram(localRenderer(config.chat_template), { nfc: true, completionPrefix: new Uint8Array() });
  if (reason !== undefined) throw new Error(`Qwen3's template was not learned: ${reason}`);
  return program;
}
