// Configuration: a file or an object, checked against config-schema.ts, completed with defaults. One message names the first bad field.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { Value } from '@sinclair/typebox/value';
import { parse as parseYaml } from 'yaml';
import { type ConfigInput, ConfigSchema, type PoolInput, type SecretInput } from './config-schema.js';
import { describe, KvaneError } from './errors.js';

export type { ConfigInput } from './config-schema.js';

export interface EngineConfig {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly rank: number;
  readonly events: string | undefined;
  readonly replay: string | undefined;
  /** Base URL of the HTTP API, without a trailing slash. */
  readonly url: string;
}

export interface PoolConfig {
  readonly name: string;
  readonly model: string;
  readonly aliases: readonly string[];
  readonly tokenizer: string | undefined;
  readonly blockTokens: number;
  readonly strideBytes: number;
  readonly secret: string;
  /** The secret is only the pool's name. */
  readonly secretGuessable: boolean;
  readonly bitsPerKey: number;
  readonly rendering: 'engine' | 'none';
  readonly engines: readonly EngineConfig[];
}

export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  /** Undefined: insecure. */
  readonly token: string | undefined;
  readonly logLevel: string;
  readonly events: { readonly bind: string; readonly topicPrefix: string } | undefined;
  readonly publish: { readonly afterMs: number; readonly changedShare: number; readonly loadMs: number; readonly ageLimitMs: number };
  readonly scrape: { readonly busyMs: number; readonly idleMs: number; readonly timeoutMs: number; readonly failures: number };
  readonly pools: readonly PoolConfig[];
}

export interface ConfigContext {
  /** Relative paths start here. Default: the working directory. */
  readonly baseDir?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** As `insecure: true`. */
  readonly insecure?: boolean;
}

const invalid = (path: string, what: string, cause?: unknown): KvaneError =>
  new KvaneError('config.invalid', `${path || 'configuration'}: ${what}`, { cause, fields: { path } });

/** Reads and checks a YAML or JSON file. */
export function readConfig(file: string, context: Omit<ConfigContext, 'baseDir'> = {}): Config {
  let input: unknown;
  try {
    input = parseYaml(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new KvaneError('config.unreadable', `${file}: ${describe(cause).trim()}`, { fields: { file } });
  }
  return parseConfig(input, { ...context, baseDir: dirname(resolve(file)) });
}

/** Checks a configuration object and fills in the defaults. */
export function parseConfig(input: unknown, context: ConfigContext = {}): Config {
  const error = Value.Errors(ConfigSchema, input).First();
  if (error) throw invalid(dotted(error.path), explain(error));
  const config = input as ConfigInput;
  const token = config.token && readSecret(config.token, 'token', context);
  const insecure = context.insecure ?? config.insecure ?? false;
  if (!token && !insecure) throw invalid('token', 'is required: give value, file or env, or set insecure: true');
  if (token && insecure) throw invalid('insecure', 'contradicts token: keep one of them');
  const pools = config.pools.map((pool, i) => poolConfig(pool, `pools[${i}]`, context));
  checkUnique(pools);
  const { events, publish, scrape } = config;
  return {
    listen: listenAddress(config.listen ?? '0.0.0.0:8600'),
    token: token || undefined,
    logLevel: config.logLevel ?? 'info',
    events: events && { bind: events.bind, topicPrefix: events.topicPrefix ?? 'kv@' },
    publish: {
      afterMs: publish?.afterMs ?? 250,
      changedShare: publish?.changedShare ?? 0.01,
      loadMs: publish?.loadMs ?? 500,
      ageLimitMs: publish?.ageLimitMs ?? 30_000,
    },
    scrape: {
      busyMs: scrape?.busyMs ?? 500,
      idleMs: scrape?.idleMs ?? 5_000,
      timeoutMs: scrape?.timeoutMs ?? 2_000,
      failures: scrape?.failures ?? 3,
    },
    pools,
  };
}

function poolConfig(pool: PoolInput, path: string, context: ConfigContext): PoolConfig {
  const blockTokens = pool.blockSize ?? 16;
  const secret = pool.secret && readSecret(pool.secret, `${path}.secret`, context);
  return {
    name: pool.name,
    model: pool.model,
    aliases: pool.aliases ?? [],
    tokenizer: pool.tokenizer === undefined ? undefined : resolve(context.baseDir ?? '.', pool.tokenizer),
    blockTokens,
    strideBytes: pool.stride ?? Math.min(65528, Math.ceil((4 * blockTokens) / 8) * 8),
    secret: secret ?? pool.name,
    secretGuessable: secret === undefined,
    bitsPerKey: pool.bitsPerKey ?? 10,
    rendering: pool.rendering ?? 'engine',
    engines: pool.engines.map((engine, i) => {
      checkPort(engine.address, `${path}.engines[${i}].address`);
      const rank = engine.rank ?? 0;
      return {
        name: engine.name ?? (rank === 0 ? engine.address : `${engine.address}/${rank}`),
        namespace: engine.namespace ?? 'default',
        address: engine.address,
        rank,
        events: engine.events,
        replay: engine.replay,
        url: (engine.metrics ?? `http://${engine.address}`).replace(/\/(metrics)?$/, ''),
      };
    }),
  };
}

/** Pools by name; engines by address and rank, over all pools: a topic or an address must mean one endpoint. */
function checkUnique(pools: readonly PoolConfig[]): void {
  const seen = new Map<string, string>();
  const claim = (what: string, path: string): void => {
    const other = seen.get(what);
    if (other !== undefined) throw invalid(path, `is the same as ${other}`);
    seen.set(what, path);
  };
  for (const [p, pool] of pools.entries()) {
    claim(`pool ${pool.name}`, `pools[${p}].name`);
    for (const [e, engine] of pool.engines.entries()) {
      const path = `pools[${p}].engines[${e}]`;
      claim(`address ${engine.address} rank ${engine.rank}`, `${path}.address`);
      claim(`name ${engine.name} rank ${engine.rank}`, `${path}.name`);
    }
  }
}

function readSecret(secret: SecretInput, path: string, context: ConfigContext): string {
  if (secret.value !== undefined) return secret.value;
  if (secret.env !== undefined) {
    const value = (context.env ?? process.env)[secret.env];
    if (!value) throw invalid(`${path}.env`, `environment variable ${secret.env} is not set`);
    return value;
  }
  const file = resolve(context.baseDir ?? '.', secret.file!);
  let value: string;
  try {
    value = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw invalid(`${path}.file`, `cannot read ${file}`, cause);
  }
  if (value === '') throw invalid(`${path}.file`, `${file} is empty`);
  return value;
}

function checkPort(address: string, path: string): number {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  if (port > 65535) throw invalid(path, `port ${port} is above 65535`);
  return port;
}

function listenAddress(listen: string): Config['listen'] {
  const port = checkPort(listen, 'listen');
  return { host: listen.slice(0, listen.lastIndexOf(':')).replace(/^\[|\]$/g, ''), port };
}

/** `/pools/0/name` → `pools[0].name` */
function dotted(pointer: string): string {
  let path = '';
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    path += /^\d+$/.test(name) ? `[${name}]` : path === '' ? name : `.${name}`;
  }
  return path;
}

function explain(error: ValueError): string {
  switch (error.type) {
    case ValueErrorType.ObjectRequiredProperty:
      return 'is required';
    case ValueErrorType.ObjectAdditionalProperties:
      return 'is not a known field';
    case ValueErrorType.Union: {
      const choices = (error.schema.anyOf as { const?: unknown }[]).map((choice) => JSON.stringify(choice.const));
      return `must be one of ${choices.join(', ')}, not ${shown(error.value)}`;
    }
    case ValueErrorType.ObjectMinProperties:
    case ValueErrorType.ObjectMaxProperties:
      return `must have exactly one of ${Object.keys(error.schema.properties as object).join(', ')}`;
    default:
      return `${error.message}, not ${shown(error.value)}`;
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 80);
