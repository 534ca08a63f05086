// What a configuration file may contain. Unknown fields are refused. Defaults and cross-field rules: config.ts.
import { type Static, type TProperties, Type } from '@sinclair/typebox';

const strict = <P extends TProperties>(properties: P, options: object = {}) =>
  Type.Object(properties, { additionalProperties: false, ...options });
const text = (maxLength = 255) => Type.String({ minLength: 1, maxLength });
const milliseconds = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum });

/** A secret, from exactly one place: in the file itself, in another file (trailing newline removed), in the environment. */
const Secret = strict(
  { value: Type.Optional(text(4096)), file: Type.Optional(text(4096)), env: Type.Optional(text()) },
  { minProperties: 1, maxProperties: 1 },
);

const Address = Type.String({ pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^\\s:/\\[\\]]+):[0-9]{1,5}$', maxLength: 255 });
const ZmqAddress = Type.String({ pattern: '^(tcp|ipc)://\\S+$', maxLength: 4096 });
const HttpUrl = Type.String({ pattern: '^https?://\\S+$', maxLength: 4096 });

const Engine = strict({
  /** Pod name: how the central endpoint's topics call it. Default: the address (and rank). */
  name: Type.Optional(text()),
  /** Kubernetes namespace, for logs and scores. Default: "default". */
  namespace: Type.Optional(text()),
  /** `host:port` of the OpenAI API, exactly as Envoy knows the endpoint. */
  address: Address,
  /** Data-parallel rank. Default 0. */
  rank: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
  /** PUB socket to dial. Without it the engine must dial `events.bind`. */
  events: Type.Optional(ZmqAddress),
  /** ROUTER socket that replays events. */
  replay: Type.Optional(ZmqAddress),
  /** Base URL of the engine's HTTP API. Default: http:// + address. */
  metrics: Type.Optional(HttpUrl),
});

const Pool = strict({
  name: text(),
  /** Base model, as requests name it. */
  model: text(),
  /** Other names of the base model. Names found on the engines' /v1/models are added. */
  aliases: Type.Optional(Type.Array(text())),
  /** tokenizer.json, or the folder that holds it. Without it the pool serves load only. */
  tokenizer: Type.Optional(text(4096)),
  /** Tokens per KV block. Default 16. */
  blockSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 16384 })),
  /** Bytes per stride, a multiple of 8. Default 4 × blockSize, rounded up to one. */
  stride: Type.Optional(Type.Integer({ minimum: 8, maximum: 65528, multipleOf: 8 })),
  /** Seeds the hashes; equal on all replicas, never rotated. Default: derived from the pool's name (guessable). */
  secret: Type.Optional(Secret),
  /** Bloom bits per key. Default 10. */
  bitsPerKey: Type.Optional(Type.Integer({ minimum: 4, maximum: 32 })),
  /** Where chat rendering is learned: from the engines' /render, or not at all. Default: engine. */
  rendering: Type.Optional(Type.Union([Type.Literal('engine'), Type.Literal('none')])),
  engines: Type.Array(Engine, { minItems: 1, maxItems: 1024 }),
});

export const ConfigSchema = strict({
  /** `host:port` of the HTTP server; port 0 takes a free one. Default 0.0.0.0:8600. */
  listen: Type.Optional(Address),
  /** Bearer token of pollers. */
  token: Type.Optional(Secret),
  /** True: no token. Anyone who reaches the port reads who holds which prefix. */
  insecure: Type.Optional(Type.Boolean()),
  /** pino level. Default info. */
  logLevel: Type.Optional(
    Type.Union([
      Type.Literal('trace'),
      Type.Literal('debug'),
      Type.Literal('info'),
      Type.Literal('warn'),
      Type.Literal('error'),
      Type.Literal('silent'),
    ]),
  ),
  /** The central endpoint that engines dial. Without it only engines with `events` are followed. */
  events: Type.Optional(
    strict({
      bind: ZmqAddress,
      /** Topics without it are refused. Default kv@. */
      topicPrefix: Type.Optional(Type.String({ maxLength: 255 })),
    }),
  ),
  publish: Type.Optional(
    strict({
      /** Publish this long after a change. Default 250. */
      afterMs: Type.Optional(milliseconds(10, 60_000)),
      /** Publish at once when this share of the keys changed. Default 0.01. */
      changedShare: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
      /** Changed load waits at most this long. Default 500. */
      loadMs: Type.Optional(milliseconds(10, 60_000)),
      /** Filters stop to believe a summary when the indexer was silent for this long. Default 30000. */
      ageLimitMs: Type.Optional(milliseconds(1_000, 86_400_000)),
    }),
  ),
  scrape: Type.Optional(
    strict({
      /** Engines with work. Default 500. */
      busyMs: Type.Optional(milliseconds(50, 60_000)),
      /** Engines without. Default 5000. */
      idleMs: Type.Optional(milliseconds(50, 600_000)),
      /** Default 2000. */
      timeoutMs: Type.Optional(milliseconds(50, 60_000)),
      /** Scrapes that must fail in a row before an endpoint is withdrawn. Default 3. */
      failures: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    }),
  ),
  pools: Type.Array(Pool, { minItems: 1 }),
});

/** The content of a configuration file. */
export type ConfigInput = Static<typeof ConfigSchema>;
export type SecretInput = Static<typeof Secret>;
export type PoolInput = ConfigInput['pools'][number];
