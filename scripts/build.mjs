// Builds everything into dist/: the two Wasm modules (release and debug) and the bundled Node programs.
// A target is rebuilt only when one of its sources is newer than its output.
//   node scripts/build.mjs [target…]      targets: filter core node
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build as bundle } from 'esbuild';
import { writeNfcTables } from './nfc-tables.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

/** Newest modification time (ms) of the files below `paths` that end in `suffix`. */
function newest(paths, suffix) {
  let time = 0;
  for (const path of paths) {
    const full = join(root, path);
    const stat = statSync(full, { throwIfNoEntry: false });
    if (!stat) continue;
    if (!stat.isDirectory()) time = Math.max(time, stat.mtimeMs);
    else
      for (const name of readdirSync(full))
        if (name !== 'node_modules' && (name.endsWith(suffix) || !name.includes('.')))
          time = Math.max(time, newest([join(path, name)], suffix));
  }
  return time;
}

const oldest = (outputs) => Math.min(...outputs.map((o) => statSync(join(root, o), { throwIfNoEntry: false })?.mtimeMs ?? 0));

/** Compiles an AssemblyScript entry point to `dist/<name>.wasm` and `dist/<name>.debug.wasm`. */
async function wasm(entry, name) {
  const outputs = [`dist/${name}.wasm`, `dist/${name}.debug.wasm`];
  if (oldest(outputs) > newest(['assembly', 'asconfig.json', 'scripts/build.mjs'], '.ts')) return;
  const abort = name === 'filter' ? ['--use', 'abort=~lib/as-proxy-wasm/abort/proxyAbort'] : ['--use', 'abort='];
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  await Promise.all(
    ['release', 'debug'].map((target, i) =>
      run(process.execPath, [asc, entry, '--target', target, ...abort, '-o', outputs[i]], { cwd: root, maxBuffer: 1 << 24 }).catch(
        (error) => {
          throw new Error(`asc ${entry} (${target}) failed\n${error.stdout}${error.stderr}`);
        },
      ),
    ),
  );
}

/** Bundles the Node programs; packages stay external. */
async function node() {
  const entryPoints = { kvane: 'indexer/main.ts' };
  for (const name of ['demo', 'precision', 'bench']) {
    const path = `test/${name}/main.ts`;
    if (statSync(join(root, path), { throwIfNoEntry: false })) entryPoints[name] = path;
  }
  const outputs = Object.keys(entryPoints).map((name) => `dist/${name}.mjs`);
  if (oldest(outputs) > newest(['indexer', 'test', 'assembly/core/summary/format.ts', 'package-lock.json', 'scripts/build.mjs'], '.ts'))
    return;
  await bundle({
    absWorkingDir: root,
    entryPoints,
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
    banner: { js: '#!/usr/bin/env node' },
  });
}

const targets = {
  core: () => wasm('assembly/core.ts', 'core'),
  filter: () => wasm('assembly/filter.ts', 'filter'),
  node,
};
mkdirSync(join(root, 'dist'), { recursive: true });
writeNfcTables(join(root, 'assembly/core/prompt/nfc-data.ts'));
const wanted = process.argv.slice(2);
for (const name of wanted.length ? wanted : Object.keys(targets)) {
  if (!(name in targets)) throw new Error(`unknown target ${name}; there are ${Object.keys(targets).join(', ')}`);
  await targets[name]();
}
