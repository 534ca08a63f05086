// The import rules of DESIGN section 3. Each rule is also shown a file that breaks it: a check that cannot fail is a defect.
import { posix } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { bytesOf, workingFiles } from './tracked.js';

interface Import {
  readonly from: string;
  /** Path in the repository without suffix, or the package's name as written. */
  readonly to: string;
}
type Rule = (one: Import) => boolean;

/** Imports of a source, types and dynamic ones included. */
function importsOf(path: string, source: string): Import[] {
  return ts.preProcessFile(source, true, true).importedFiles.map(({ fileName }) => ({
    from: path,
    to: fileName.startsWith('.') ? posix.join(posix.dirname(path), fileName).replace(/\.[cm]?[jt]s$/, '') : fileName,
  }));
}

const inside = (folder: string, path: string): boolean => path === folder || path.startsWith(`${folder}/`);
const PACKAGE = 'as-proxy-wasm';
const OWN = `assembly/${PACKAGE}`;
const ours = (to: string): boolean => /^(assembly|indexer|test|scripts|deploy)(\/|$)/.test(to);

/** What an import must not do. */
const RULES: Readonly<Record<string, { broken: Rule; examples: readonly [path: string, source: string][] }>> = {
  'core imports nothing outside core': {
    broken: ({ from, to }) => (inside('assembly/core', from) || from === 'assembly/core.ts') && !inside('assembly/core', to),
    examples: [
      ['assembly/core/prefix/rows.ts', "import { log } from 'as-proxy-wasm';"],
      ['assembly/core/prefix/rows.ts', "export * from '../../filter/pool';"],
      ['assembly/core.ts', "import './filter';"],
    ],
  },
  'only filter imports as-proxy-wasm': {
    broken: ({ from, to }) =>
      (to === PACKAGE || to.startsWith(`${PACKAGE}/`) || inside(OWN, to)) &&
      !inside('assembly/filter', from) &&
      from !== 'assembly/filter.ts' &&
      !inside(OWN, from) &&
      !inside('test', from),
    examples: [
      ['indexer/main.ts', "import type { Status } from 'as-proxy-wasm';"],
      ['assembly/core/json/text.ts', "import { copyResult } from '../../as-proxy-wasm/memory';"],
    ],
  },
  'as-proxy-wasm imports nothing of ours': {
    broken: ({ from, to }) => inside(OWN, from) && ours(to) && !inside(OWN, to),
    examples: [['assembly/as-proxy-wasm/http.ts', "import { hashBytes } from '../core/prefix/chain';"]],
  },
  'indexer reaches assembly only through format.ts': {
    broken: ({ from, to }) => inside('indexer', from) && inside('assembly', to) && to !== 'assembly/core/summary/format',
    examples: [
      ['indexer/publish/writer.ts', "import { Matrix } from '../../assembly/core/summary/matrix.js';"],
      ['indexer/publish/writer.ts', "const core = await import('../../assembly/core.js');"],
    ],
  },
  'format.ts imports nothing': {
    broken: ({ from }) => from === 'assembly/core/summary/format.ts',
    examples: [['assembly/core/summary/format.ts', "import { P1 } from '../prefix/chain';"]],
  },
  'nothing imports test': {
    broken: ({ from, to }) => inside('test', to) && !inside('test', from),
    examples: [
      ['indexer/config.ts', "import { fixture } from '../test/fixtures/recording.js';"],
      ['scripts/build.mjs', "import '../test/setup/build.js';"],
      ['indexer/config.ts', "const later = () => import('../test/host/index.js');"],
    ],
  },
  'indexer and assembly/filter do not import each other, nor scripts': {
    broken: ({ from, to }) =>
      (inside('assembly', from) && (inside('indexer', to) || inside('scripts', to))) || (inside('indexer', from) && inside('scripts', to)),
    examples: [['assembly/filter/pool.ts', "import { slotOf } from '../../indexer/pods/ids';"]],
  },
};

const sources = workingFiles().filter((path) => /\.[cm]?[jt]s$/.test(path));
const imports = sources.flatMap((path) => importsOf(path, bytesOf(path).toString('utf8')));

test('the sources are found', () => {
  for (const room of ['assembly/core/', 'assembly/filter/', 'assembly/as-proxy-wasm/', 'indexer/', 'test/', 'scripts/'])
    expect(sources.some((path) => path.startsWith(room))).toBe(true);
  expect(imports.length).toBeGreaterThan(sources.length);
});

test.each(Object.entries(RULES))('%s', (_, { broken, examples }) => {
  for (const [path, source] of examples) expect(importsOf(path, source).some(broken)).toBe(true);
  expect(imports.filter(broken)).toEqual([]);
});

test('every import of our own leads to a file', () => {
  const known = new Set(workingFiles().map((path) => path.replace(/\.[cm]?[jt]s$/, '')));
  const generated = ['assembly/core/prompt/nfc-data'];
  const lost = imports.filter(({ to }) => ours(to) && !known.has(to) && !known.has(`${to}/index`) && !generated.includes(to));
  expect(lost).toEqual([]);
});
