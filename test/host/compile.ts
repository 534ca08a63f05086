import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** A module that was compiled for a test. */
export interface Compiled {
  readonly path: string;
  remove(): Promise<void>;
}

/** Compiles an AssemblyScript filter as `scripts/build.mjs` does, into a temporary directory. `entry` is relative to the repository. */
export async function compileFilter(entry: string, target: 'release' | 'debug' = 'release'): Promise<Compiled> {
  const directory = await mkdtemp(join(tmpdir(), 'kvane-wasm-'));
  const path = join(directory, 'filter.wasm');
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  const args = [asc, entry, '--target', target, '--use', 'abort=~lib/as-proxy-wasm/abort/proxyAbort', '-o', path];
  await run(process.execPath, args, { cwd: root, maxBuffer: 1 << 24 });
  return { path, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** The filter of the scenarios (`assembly/as-proxy-wasm/test/probe.ts`). */
export const PROBE = 'assembly/as-proxy-wasm/test/probe.ts';
