import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const folder = resolve(import.meta.dirname, '../../assembly/as-proxy-wasm');

test('what would be published is everything that compiles, and no tests', () => {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  const sources = (path: string) => readdirSync(join(folder, path)).flatMap((name) => (name.endsWith('.ts') ? [join(path, name)] : []));
  const files = packed.files.map(({ path }: { path: string }) => path);
  expect(files.sort()).toEqual(['LICENSE', 'README.md', 'package.json', ...sources(''), ...sources('exports')].sort());
});
