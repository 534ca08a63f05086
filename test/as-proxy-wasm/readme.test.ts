import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootstrap } from '../envoy/bootstrap';
import { send } from '../envoy/client';
import { EchoServer } from '../envoy/echo';
import { type Envoy, startEnvoy } from '../envoy/process';
import { type Compiled, compileFilter } from '../host/compile';
import { Host, HostError } from '../host/index';

// The README's filter is taken from the README, compiled, and must do what the README says: in the Node host and on real Envoy.

const root = resolve(import.meta.dirname, '../..');
let compiled: Compiled;
let directory: string;

beforeAll(async () => {
  const readme = await readFile(join(root, 'assembly/as-proxy-wasm/README.md'), 'utf8');
  const source = /```ts\n(.*?)```/s.exec(readme)?.[1];
  await mkdir(join(root, 'dist'), { recursive: true });
  directory = await mkdtemp(join(root, 'dist', 'readme-'));
  await writeFile(join(directory, 'filter.ts'), source ?? '');
  compiled = await compileFilter(relative(root, join(directory, 'filter.ts')));
});
afterAll(async () => {
  await compiled?.remove();
  await rm(directory, { recursive: true, force: true });
});

const size = (body: string) => JSON.parse(body).headers['x-body-bytes'];

test('Node host, strict: sizes, trailers, 413, no body, counter', async () => {
  const host = await Host.start({ wasm: compiled.path, configuration: '100000' });
  expect(size(host.request().text)).toBe('0');
  expect(size(host.request({ body: 'x'.repeat(70_000) }).text)).toBe('70000');
  expect(size(host.request({ method: 'POST', http2: true }).body('four').trailers({ a: 'b' }).text)).toBe('4');
  expect(host.request({ body: 'x'.repeat(100_001) }).result.status).toBe(413);
  expect(host.metrics.values()).toEqual({ 'body_size.requests': 4 });
  host.stop();
});

test('Node host: a configuration that is no number is refused with its reason', async () => {
  const refused = Host.start({ wasm: compiled.path, configuration: 'many' });
  await expect(refused).rejects.toThrow(HostError);
  await expect(refused).rejects.toThrow('the configuration must be a number of bytes');
});

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  let echo: EchoServer;
  let envoy: Envoy;
  let address: string;
  beforeAll(async () => {
    echo = await EchoServer.start();
    const filter = { wasm: compiled.path, configuration: '100000', name: 'body-size' };
    envoy = await startEnvoy({ version, config: bootstrap({ pool: [echo.address], filters: [filter] }) });
    address = await envoy.address();
  });
  afterAll(async () => {
    await envoy?.stop();
    await echo?.stop();
  });

  test('sizes, trailers, 413, no body, counter', async () => {
    const forged = { headers: { 'x-body-bytes': '9' } };
    const got = async (request: Parameters<typeof send>[1]) => size((await send(address, request)).body.toString());
    expect(await got(forged)).toBe('0');
    expect(await got({ ...forged, body: Buffer.alloc(70_000) })).toBe('70000');
    expect(await got({ http2: true, chunks: [Buffer.from('four')], trailers: { a: 'b' } })).toBe('4');
    expect((await send(address, { body: Buffer.alloc(100_001) })).status).toBe(413);
    expect(await envoy.stats(/body_size/)).toEqual({ 'wasmcustom.body_size.requests': 4 });
  });
});
