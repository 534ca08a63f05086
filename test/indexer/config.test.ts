import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseConfig, readConfig } from '../../indexer/config.js';
import { KvaneError } from '../../indexer/errors.js';

const engine = { address: '10.0.0.1:8000' };
const pool = { name: 'p', model: 'm', engines: [engine] };
const good = { insecure: true, pools: [pool] };
const folder = mkdtempSync(join(tmpdir(), 'kvane-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function messageOf(input: unknown): string {
  try {
    parseConfig(input, { baseDir: folder, env: {} });
  } catch (error) {
    expect(error).toBeInstanceOf(KvaneError);
    expect((error as KvaneError).code).toBe('config.invalid');
    return (error as KvaneError).message;
  }
  throw new Error('was accepted');
}

describe('one message, with the path of the bad field', () => {
  test.each<[string, unknown, string]>([
    ['nothing', null, 'configuration: '],
    ['a list', [], 'configuration: '],
    ['no pools', { insecure: true }, 'pools: is required'],
    ['empty pools', { ...good, pools: [] }, 'pools: '],
    ['pool without a model', { ...good, pools: [{ name: 'p', engines: [engine] }] }, 'pools[0].model: is required'],
    ['pool without engines', { ...good, pools: [{ ...pool, engines: [] }] }, 'pools[0].engines: '],
    ['unknown field at the top', { ...good, pool: 1 }, 'pool: is not a known field'],
    [
      'unknown field of an engine',
      { ...good, pools: [{ ...pool, engines: [{ ...engine, adress: 'x' }] }] },
      'pools[0].engines[0].adress: is not a known field',
    ],
    ['address without a port', { ...good, pools: [{ ...pool, engines: [{ address: '10.0.0.1' }] }] }, 'pools[0].engines[0].address: '],
    [
      'port above 65535',
      { ...good, pools: [{ ...pool, engines: [engine, { address: '10.0.0.1:70000' }] }] },
      'pools[0].engines[1].address: port 70000',
    ],
    ['port as listen', { ...good, listen: 8600 }, 'listen: '],
    ['stride not a multiple of 8', { ...good, pools: [{ ...pool, stride: 60 }] }, 'pools[0].stride: '],
    ['block size as a string', { ...good, pools: [{ ...pool, blockSize: '16' }] }, 'pools[0].blockSize: '],
    [
      'two sources of a secret',
      { ...good, pools: [{ ...pool, secret: { value: 'a', env: 'B' } }] },
      'pools[0].secret: must have exactly one of value, file, env',
    ],
    ['no source of a secret', { ...good, pools: [{ ...pool, secret: {} }] }, 'pools[0].secret: must have exactly one of'],
    ['variable not set', { pools: [pool], token: { env: 'NOPE' } }, 'token.env: environment variable NOPE is not set'],
    ['file not there', { pools: [pool], token: { file: 'nope' } }, 'token.file: cannot read'],
    ['neither token nor insecure', { pools: [pool] }, 'token: is required'],
    ['token and insecure', { ...good, token: { value: 'x' } }, 'insecure: contradicts token'],
    ['unknown rendering', { ...good, pools: [{ ...pool, rendering: 'jinja' }] }, 'pools[0].rendering: must be one of "engine", "none"'],
    ['events without a scheme', { ...good, events: { bind: '*:5557' } }, 'events.bind: '],
    [
      'two pools of a name',
      { ...good, pools: [pool, { ...pool, engines: [{ address: 'b:1' }] }] },
      'pools[1].name: is the same as pools[0].name',
    ],
    [
      'an endpoint twice',
      { ...good, pools: [pool, { ...pool, name: 'q' }] },
      'pools[1].engines[0].address: is the same as pools[0].engines[0].address',
    ],
    [
      'a pod name twice',
      {
        ...good,
        pools: [
          {
            ...pool,
            engines: [
              { ...engine, name: 'a' },
              { address: 'b:1', name: 'a' },
            ],
          },
        ],
      },
      'pools[0].engines[1].name: ',
    ],
    ['publish interval of 0', { ...good, publish: { afterMs: 0 } }, 'publish.afterMs: '],
  ])('%s', (_, input, start) => {
    const message = messageOf(input);
    expect(message.startsWith(start), message).toBe(true);
    expect(message).not.toContain('\n');
  });

  test('a file that is not YAML names the file', () => {
    const file = join(folder, 'broken.yaml');
    writeFileSync(file, 'pools: [\n  {');
    expect(() => readConfig(file)).toThrow(expect.objectContaining({ code: 'config.unreadable', message: expect.stringContaining(file) }));
    expect(() => readConfig(join(folder, 'missing.yaml'))).toThrow(expect.objectContaining({ code: 'config.unreadable' }));
  });
});

test('defaults', () => {
  const config = parseConfig(good);
  expect(config).toMatchObject({ listen: { host: '0.0.0.0', port: 8600 }, token: undefined, events: undefined });
  expect(config.publish).toEqual({ afterMs: 250, changedShare: 0.01, loadMs: 500, ageLimitMs: 30_000 });
  expect(config.pools[0]).toMatchObject({
    blockTokens: 16,
    strideBytes: 64,
    secret: 'p',
    secretGuessable: true,
    bitsPerKey: 10,
    tokenizer: undefined,
  });
  expect(config.pools[0]!.engines[0]).toEqual({
    name: '10.0.0.1:8000',
    namespace: 'default',
    address: '10.0.0.1:8000',
    rank: 0,
    events: undefined,
    replay: undefined,
    url: 'http://10.0.0.1:8000',
  });
});

test('stride follows the block size and stays a multiple of 8', () => {
  const stride = (blockSize: number) => parseConfig({ ...good, pools: [{ ...pool, blockSize }] }).pools[0]!.strideBytes;
  expect([1, 16, 17, 32, 64, 16384].map(stride)).toEqual([8, 64, 72, 128, 256, 65528]);
});

test('YAML file: paths relative to it, secrets from a file and the environment', () => {
  writeFileSync(join(folder, 'secret'), 'from-file\n');
  const file = join(folder, 'good.yaml');
  writeFileSync(
    file,
    'listen: "[::1]:0"\ntoken: {env: KVANE_TOKEN}\npools:\n  - name: p\n    model: m\n    tokenizer: models/qwen\n    secret: {file: secret}\n    engines:\n      - {address: "[::1]:8000", rank: 1, metrics: "http://x:1/metrics"}\n',
  );
  const config = readConfig(file, { env: { KVANE_TOKEN: 'from-env' } });
  expect(config.listen).toEqual({ host: '::1', port: 0 });
  expect(config.token).toBe('from-env');
  expect(config.pools[0]).toMatchObject({ tokenizer: join(folder, 'models/qwen'), secret: 'from-file', secretGuessable: false });
  expect(config.pools[0]!.engines[0]).toMatchObject({ name: '[::1]:8000/1', rank: 1, url: 'http://x:1' });
});

test('ranks of one pod share its name and address', () => {
  const engines = [0, 1].map((rank) => ({ ...engine, name: 'pod-a', rank }));
  expect(parseConfig({ ...good, pools: [{ ...pool, engines }] }).pools[0]!.engines).toHaveLength(2);
});
