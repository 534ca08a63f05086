// Runs the tests:  npm test [-- --json FILE] [vitest arguments…]
// Ends with one line, "N passed, N failed"; --json also writes vitest's JSON report.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const args = process.argv.slice(2);
const at = args.indexOf('--json');
const folder = mkdtempSync(join(tmpdir(), 'kvane-test-'));
const report = at < 0 ? join(folder, 'report.json') : args.splice(at, 2)[1];
if (!report) {
  console.error('test: --json needs a file');
  process.exit(2);
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const { status } = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...args], { stdio: 'inherit' });
let failed = status !== 0;
try {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'));
  failed ||= numFailedTests > 0 || numPassedTests === 0;
  console.log(`${numPassedTests} passed, ${numFailedTests} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`);
} catch (error) {
  failed = true;
  console.error(`test: no report: ${error.message}`);
}
rmSync(folder, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
