import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { bytesOf, sizeOf, trackedFiles } from './tracked.js';

const SIZE_MAX = 1_000_000;
const LOCK = 'package-lock.json';
/** Compressed recordings of our own: the only files that are not text. */
const isRecording = (path: string): boolean => /^test\/fixtures\/[\w.-]+\/[\w.-]+\.br$/.test(path);

const files = trackedFiles();
const texts = files.filter((path) => !isRecording(path)).map((path): [string, string] => [path, bytesOf(path).toString('latin1')]);
const code = texts.filter(([path]) => /\.([cm]?[jt]s|json|ya?ml|sh)$/.test(path) || path.startsWith('.ci/'));
/** Files and lines in which a pattern occurs. */
const found = (list: readonly (readonly [string, string])[], pattern: RegExp): string[] =>
  list.flatMap(([path, text]) => text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}`] : [])));

const MODEL_FILES = /(^|\/)(tokenizer[\w.-]*\.json|tekken\.json|vocab\.\w+|merges\.txt|[\w.-]+\.(tiktoken|model|safetensors|gguf|onnx))$/;
const BUILT = /\.(wasm|node|so|dylib|dll|exe|zip|gz|tgz|tar|zst|whl|png|jpe?g)$|(^|\/)(dist|node_modules)\//;
// In pieces, so that this file does not name them itself.
const MACHINE = new RegExp(`(^|[^\\w.~/-])/(?:${['work', 'root', 'tmp'].join('|')})/\\w`);
const SHARED = new RegExp(`\\.\\./${'shared'}\\b`);
const ADDRESS = /"resolved"\s*:\s*"[a-z+]+:/;

test('nothing tracked is larger than 1 MB', () => {
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((path) => sizeOf(path) > SIZE_MAX)).toEqual([]);
});

test('nothing tracked is binary or built', () => {
  expect(texts.filter(([, text]) => text.includes('\0')).map(([path]) => path)).toEqual([]);
  for (const path of ['dist/core.wasm', 'a/b.node', 'x.tar.gz', 'node_modules/x/index.js']) expect(path).toMatch(BUILT);
  expect(files.filter((path) => BUILT.test(path))).toEqual([]);
});

test('no tokenizer and no weights are tracked', () => {
  for (const path of ['test/tokenizer.json', 'x/tokenizer_config.json', 'merges.txt', 'm/o200k.tiktoken', 'tekken.json'])
    expect(path).toMatch(MODEL_FILES);
  expect(files.filter((path) => MODEL_FILES.test(path))).toEqual([]);
});

test('no path of the machine that it was written on', () => {
  for (const line of ["read('", 'cd ', 'file:', '', '"'].map((before) => `${before}/${'root'}/x`)) expect(line).toMatch(MACHINE);
  for (const line of ['deploy/root/x', '../work/x', 'https://a.b/root/x', './tmp/x']) expect(line).not.toMatch(MACHINE);
  expect(found(texts, MACHINE)).toEqual([]);
});

test('nothing reads beside the repository', () => {
  expect(`join('../${'shared'}/oracle')`).toMatch(SHARED);
  expect(found(code, SHARED)).toEqual([]);
});

test('the lock file names no download address', () => {
  expect('"resolved": "https://registry.example/x.tgz"').toMatch(ADDRESS);
  const lock = texts.filter(([path]) => path === LOCK);
  expect(lock).toHaveLength(1);
  expect(found(lock, ADDRESS)).toEqual([]);
  expect(JSON.parse(lock[0]![1])).toHaveProperty('lockfileVersion', 3);
});

test('nothing generated is tracked', () => {
  // A path that .gitignore names and that git tracks all the same was added by force, or before it was ignored.
  const ignored = execFileSync('git', ['ls-files', '--cached', '--ignored', '--exclude-standard'], { encoding: 'utf8' });
  expect(ignored).toBe('');
});
