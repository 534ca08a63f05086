// The bundled command line, as a process.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../dist/kvane.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kvane-main-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs kvane; `until` sees each line of standard output and may end the process. */
function run(args: string[], until?: (line: string, kill: (signal: NodeJS.Signals) => void) => void) {
  return new Promise<{ status: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [program, ...args]);
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk;
      for (const line of String(chunk).split('\n')) if (line) until?.(line, (signal) => child.kill(signal));
    });
    child.stderr.on('data', (chunk: Buffer) => (err += chunk));
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

function config(text: string): string {
  const file = join(mkdtempSync(join(folder, 'c-')), 'kvane.yaml');
  writeFileSync(file, text);
  return file;
}

test('help and version', async () => {
  const help = await run(['--help']);
  expect(help).toMatchObject({ status: 0, err: '' });
  expect(help.out).toContain('kvane indexer --config FILE');
  expect(await run(['--version'])).toMatchObject({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test.each<[string, () => string[], string]>([
  ['no command', () => [], 'kvane indexer --config FILE'],
  ['unknown command', () => ['serve'], 'kvane indexer --config FILE'],
  ['unknown option', () => ['indexer', '--confg', 'x'], '--confg'],
  ['no configuration', () => ['indexer'], '--config'],
  ['missing file', () => ['indexer', '--config', join(folder, 'none.yaml')], 'none.yaml'],
  [
    'bad field',
    () => ['indexer', '--config', config('insecure: true\npools:\n - {name: p, model: m, engines: [{address: x}]}')],
    'pools[0].engines[0].address',
  ],
  ['token missing', () => ['indexer', '--config', config('pools:\n - {name: p, model: m, engines: [{address: "x:1"}]}')], 'token'],
])('%s: exit 2 and one message', async (_, args, text) => {
  const { status, out, err } = await run(args());
  expect(status).toBe(2);
  expect(out).toBe('');
  expect(err).toMatch(/^kvane: [^\n]+\n$/);
  expect(err).toContain(text);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s: clean stop, logs are JSON lines', async (signal) => {
  const file = config(
    'listen: 127.0.0.1:0\nevents: {bind: "tcp://127.0.0.1:*"}\npools:\n - {name: p, model: m, engines: [{address: "127.0.0.1:1"}]}',
  );
  const { status, out, err } = await run(['indexer', '--insecure', '--config', file], (line, kill) => {
    if (line.includes('indexer started')) kill(signal);
  });
  expect(err).toBe('');
  expect(status).toBe(0);
  const messages = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string });
  expect(messages.map(({ msg }) => msg)).toContain('stopping');
});

test('address in use: says so', async () => {
  const file = (port: string) =>
    config(`listen: 127.0.0.1:${port}\ninsecure: true\npools:\n - {name: p, model: m, engines: [{address: "127.0.0.1:1"}]}`);
  let second: Promise<{ status: number | null; err: string }> | undefined;
  await run(['indexer', '--config', file('0')], (line, kill) => {
    const url = (JSON.parse(line) as { url?: string }).url;
    if (!url || second) return;
    second = run(['indexer', '--config', file(new URL(url).port)]);
    void second.then(() => kill('SIGTERM'));
  });
  expect(await second).toMatchObject({ status: 2, err: expect.stringContaining('listen: cannot listen on 127.0.0.1:') });
});
