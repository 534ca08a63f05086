// The body of a poll: what a proxy has, what it wants. Source: format.ts, at its end.
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { KvaneError } from '../errors.js';
import type { PollerState } from './publisher.js';

const WAIT_MAX_MS = 60_000;
const Sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

const Epoch = Type.String({ pattern: '^[0-9a-fA-F]{16}$' });

const PollSchema = Type.Object({
  version: Type.Literal(1),
  proxy: Type.String({ minLength: 1, maxLength: 256 }),
  wait_ms: Type.Optional(Type.Number({ minimum: 0 })),
  pools: Type.Array(
    Type.Object({
      name: Type.String({ minLength: 1, maxLength: 255 }),
      epoch: Epoch,
      sequence: Sequence,
      snapshot: Type.Optional(Type.Object({ epoch: Epoch, sequence: Sequence, next: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }) })),
    }),
    { maxItems: 1024 },
  ),
  inflight: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Type.Number({ minimum: 0 })))),
});

export interface Poll {
  readonly proxy: string;
  readonly waitMs: number;
  readonly pools: ReadonlyMap<string, PollerState>;
  readonly inFlight: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Throws `request.invalid` with the path of the bad field. Unknown fields are for newer indexers: ignored. */
export function readPoll(body: string): Poll {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new KvaneError('request.invalid', 'the body is not JSON', { cause });
  }
  const error = Value.Errors(PollSchema, value).First();
  if (error) throw new KvaneError('request.invalid', `${error.path || '/'}: ${error.message}`);
  const poll = value as Static<typeof PollSchema>;
  const pools = poll.pools.map(({ name, epoch, sequence, snapshot }): [string, PollerState] => [
    name,
    {
      epoch: BigInt(`0x${epoch}`),
      sequence: BigInt(sequence),
      ...(snapshot && {
        snapshot: { epoch: BigInt(`0x${snapshot.epoch}`), sequence: BigInt(snapshot.sequence), next: snapshot.next },
      }),
    },
  ]);
  return { proxy: poll.proxy, waitMs: Math.min(poll.wait_ms ?? 0, WAIT_MAX_MS), pools: new Map(pools), inFlight: poll.inflight ?? {} };
}
