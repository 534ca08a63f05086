// The files of this repository, as git knows them: committed ones and new ones that are not ignored.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const list = (...options: string[]): string[] =>
  execFileSync('git', ['ls-files', '-z', ...options], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 24 })
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)));

export const trackedFiles = (): string[] => list();
export const workingFiles = (): string[] => list('--cached', '--others', '--exclude-standard');
export const bytesOf = (path: string): Buffer => readFileSync(join(ROOT, path));
export const sizeOf = (path: string): number => statSync(join(ROOT, path)).size;
