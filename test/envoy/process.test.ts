import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootstrap } from './bootstrap';
import { send } from './client';
import { EchoServer } from './echo';
import { EnvoyFailed, startEnvoy } from './process';

let echo: EchoServer;
beforeAll(async () => {
  echo = await EchoServer.start();
});
afterAll(() => echo.stop());

test('plain Envoy serves, counts, and leaves nothing behind', async () => {
  const envoy = await startEnvoy({ config: bootstrap({ pool: [echo.address] }), concurrency: 2 });
  const address = await envoy.address();
  expect((await send(address, { body: Buffer.from('x') })).status).toBe(200);
  expect(await envoy.stats(/^http.main.downstream_rq_2xx/)).toEqual({ 'http.main.downstream_rq_2xx': 1 });
  expect(await envoy.cpuSeconds()).toBeGreaterThan(0);
  await envoy.stop();
  expect(existsSync(envoy.directory)).toBe(false);
  expect(() => process.kill(envoy.pid, 0)).toThrow('ESRCH');
  await expect(send(address)).rejects.toThrow('ECONNREFUSED');
});

test('a configuration that Envoy refuses ends with what Envoy said', async () => {
  const config = { ...bootstrap({ pool: [echo.address] }), no_such_field: 1 };
  const failure = await startEnvoy({ config }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EnvoyFailed);
  expect(String(failure)).toContain('no_such_field');
});

test('many at once do not meet', async () => {
  const envoys = await Promise.all(Array.from({ length: 4 }, () => startEnvoy({ config: bootstrap({ pool: [echo.address] }) })));
  const addresses = await Promise.all(envoys.map((envoy) => envoy.address()));
  expect(new Set([...addresses, ...envoys.map(({ admin }) => admin)]).size).toBe(8);
  await Promise.all(envoys.map((envoy) => envoy.stop()));
});
