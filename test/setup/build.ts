import { execFileSync } from 'node:child_process';

/** Vitest global setup: every test run works on a current build. */
export default function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
}
