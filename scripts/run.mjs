// Builds what is out of date, then runs one of the bundled programs:  node scripts/run.mjs demo --exit
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const [name, ...args] = process.argv.slice(2);
const built = spawnSync(process.execPath, [here('build.mjs')], { stdio: ['ignore', 'inherit', 'inherit'] });
if (built.status !== 0) process.exit(built.status ?? 1);

const child = spawn(process.execPath, ['--enable-source-maps', here(`../dist/${name}.mjs`), ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
