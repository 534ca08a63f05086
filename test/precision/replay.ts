// Replays one recording: events into the index in file order; at each request a prediction, which sees nothing but events and bodies;
// then, with the recorded answers, what the prediction was worth.
import type { Recording, ReqLine } from '../fixtures/recording.js';
import { SALTS, SaltedWalks } from './bloom.js';
import { messageOf } from './events.js';
import { type Decision, Gateway } from './gateway.js';
import type { Model } from './model.js';
import { RecordedPool, type Tampering } from './pool.js';
import { type GroupName, groupOf, writings } from './requests.js';
import { TokenExactIndex } from './token-exact.js';
import { type Truth, Truths } from './truth.js';

/** A prediction and, where the recording tells, what it should have been. */
export interface Outcome {
  readonly request: ReqLine;
  readonly group: GroupName;
  /** Of the filter. */
  readonly reason: string;
  readonly promptBytes: number;
  /** Walk over the exact keys. */
  readonly predictedBytes: number;
  /** Walk over the published bits, as the filter did it. */
  readonly filterBytes: number;
  /** The body in other writings gave another result. */
  readonly unequal: boolean;
  readonly truth: Truth | undefined;
  /** Difference to the engine; of a covered request only. */
  readonly engine: Comparison | undefined;
  /** The same of a request that is not covered and has some credit for its beginning. */
  readonly partial: Comparison | undefined;
  /** Difference to the token-exact replay: the byte index' own error. */
  readonly own: Comparison | undefined;
  /** Token-exact replay minus engine, tokens: staleness. */
  readonly staleTokens: number | undefined;
  /** Extra strides by the Bloom matrix under each row salt. */
  readonly bloom: readonly BloomWalk[];
}

export interface Comparison {
  /** Predicted minus real, bytes. */
  readonly bytes: number;
  /** How far it may be off: max(stride, bytes of the block at the boundary). */
  readonly tolerance: number;
}

export interface BloomWalk {
  readonly extra: number;
  readonly remaining: number;
  readonly rate: number;
}

export interface Replayed {
  readonly strideBytes: number;
  readonly blockTokens: number;
  readonly excluded: number;
  readonly outcomes: readonly Outcome[];
}

export interface ReplayOptions {
  /** Default true. */
  readonly bloom?: boolean;
  readonly tampering?: Tampering;
}

export const isWithin = ({ bytes, tolerance }: Comparison): boolean => Math.abs(bytes) <= tolerance;

export async function replay(recording: Recording, model: Model, options: ReplayOptions = {}): Promise<Replayed> {
  const pool = await RecordedPool.create(recording, model, options.tampering);
  const { blockTokens, strideBytes } = pool.settings;
  const gateway = await Gateway.start(pool);
  const scene: Scene = {
    pool,
    gateway,
    salted: options.bloom === false ? undefined : new SaltedWalks(pool),
    tokens: new TokenExactIndex(blockTokens),
    truths: new Truths(recording, model.table, blockTokens),
  };
  const outcomes: Outcome[] = [];
  let excluded = 0;
  for (const line of recording.run) {
    if (line.k === 'msg') {
      const message = messageOf(line);
      if (!message) continue;
      pool.receive(message);
      scene.tokens.receive(message);
    } else if (line.k === 'req') {
      const group = groupOf(line.tag);
      if (group === undefined) excluded++;
      else outcomes.push(await judge(scene, line, group));
    }
  }
  gateway.stop();
  pool.stop();
  return { strideBytes, blockTokens, excluded, outcomes };
}

interface Scene {
  readonly pool: RecordedPool;
  readonly gateway: Gateway;
  readonly salted: SaltedWalks | undefined;
  readonly tokens: TokenExactIndex;
  readonly truths: Truths;
}

async function judge(scene: Scene, request: ReqLine, group: GroupName): Promise<Outcome> {
  const { pool, gateway, truths } = scene;
  const { strideBytes } = pool.settings;
  await gateway.synchronise();
  const bodies = writings(request);
  const [decision, ...others] = bodies.map((body) => gateway.decide(request, body));
  const { reason, promptBytes, keys, match } = decision!;
  const exact = pool.walk(keys);
  const predicted = { reason, promptBytes, predictedBytes: exact * strideBytes, filterBytes: match * strideBytes };
  const unequal = others.some((other) => !isSame(decision!, other));
  const truth = truths.of(request);
  const base = { request, group, ...predicted, unequal, truth };
  const unscored = { engine: undefined, partial: undefined, own: undefined, staleTokens: undefined, bloom: [] };
  if (!truth) return { ...base, ...unscored };
  const compare = (cachedTokens: number, cachedBytes: number): Comparison => {
    const bytes = predicted.predictedBytes - cachedBytes;
    return { bytes, tolerance: Math.max(strideBytes, truths.blockBytes(truth, cachedTokens, bytes > 0)) };
  };
  const engine = compare(truth.cachedTokens, truth.cachedBytes);
  if (reason !== 'covered') return { ...base, ...unscored, partial: keys.length > 0 ? engine : undefined };
  const tokens = tokenExact(scene, request, truth);
  return {
    ...base,
    engine,
    partial: undefined,
    own: tokens === undefined ? undefined : compare(tokens, truths.bytesOfTokens(truth.promptIds!, tokens)),
    staleTokens: tokens === undefined ? undefined : tokens - truth.cachedTokens,
    bloom: bloomWalks(scene, request, bodies[0]!, exact, keys.length),
  };
}

/** Where rendering stops within a piece of text, the bytes before the stop depend on where escapes cut it; strides never do. */
const isSame = (a: Decision, b: Decision): boolean =>
  a.reason === b.reason &&
  (a.promptBytes === b.promptBytes || a.reason !== 'covered') &&
  a.match === b.match &&
  a.keys.length === b.keys.length &&
  a.keys.every((key, i) => key === b.keys[i]);

function tokenExact({ tokens, pool }: Scene, { body }: ReqLine, { promptIds }: Truth): number | undefined {
  if (!promptIds) return undefined;
  const salt = typeof body?.cache_salt === 'string' ? body.cache_salt : undefined;
  return tokens.cachedTokens({ ids: promptIds, salt, adapter: pool.settings.adapters.has(body?.model) ? body.model : undefined });
}

function bloomWalks({ salted }: Scene, request: ReqLine, body: ReturnType<typeof writings>[0], exact: number, keys: number): BloomWalk[] {
  if (!salted) return [];
  const walks = salted.walks(request.id * SALTS + 1, body!, request.path === '/v1/chat/completions');
  return [...walks].map(({ strides, rate }) => ({ extra: strides - exact, remaining: keys - exact, rate }));
}
