// The events of a recording, decoded by MessagePack alone: for settings that an operator would know, and for the token-exact replay.
// The byte index never sees these; it reads the payloads itself.
import { decode } from '@msgpack/msgpack';
import { type Message, readMessage } from '../../indexer/events/frames.js';
import type { MsgLine, Recording } from '../fixtures/recording.js';

export interface StoreEvent {
  readonly type: 'stored';
  readonly hashes: readonly string[];
  readonly parent: string | undefined;
  readonly tokens: readonly number[];
  readonly blockSize: number;
  readonly adapter: string | undefined;
  /** Of each block: what beside its tokens tells it from others (salt, adapter). */
  readonly extras: readonly string[];
}

export type Event = StoreEvent | { readonly type: 'removed'; readonly hashes: readonly string[] } | { readonly type: 'cleared' };

const STORED = [
  'type',
  'block_hashes',
  'parent_block_hash',
  'token_ids',
  'block_size',
  'lora_id',
  'medium',
  'lora_name',
  'extra_keys',
  'group_idx',
  'kv_cache_spec_kind',
] as const;
const REMOVED = ['type', 'block_hashes', 'medium'] as const;

/** Kinds of groups that earn credit; an engine that names none has only such. */
const FULL = new Set<unknown>([undefined, null, 'full_attention', 'mla_attention', 'sink_full_attention']);

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(event: unknown): Fields {
  if (!Array.isArray(event)) return event as Fields;
  const names = event[0] === 'BlockRemoved' ? REMOVED : STORED;
  return Object.fromEntries(names.map((name, i) => [name, event[i]]));
}

const hashText = (hash: unknown): string => (hash instanceof Uint8Array ? Buffer.from(hash).toString('hex') : String(hash));
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function readEvent(raw: unknown): Event[] {
  if (typeof raw !== 'object' || raw === null) return [];
  const event = fieldsOf(raw);
  if (event.type === 'AllBlocksCleared') return [{ type: 'cleared' }];
  const onGpu = event.medium === undefined || event.medium === null || event.medium === 'GPU';
  const hashes = list(event.block_hashes).map(hashText);
  if (event.type === 'BlockRemoved' && onGpu) return [{ type: 'removed', hashes }];
  if (event.type !== 'BlockStored' || !onGpu || !FULL.has(event.kv_cache_spec_kind)) return [];
  return [
    {
      type: 'stored',
      hashes,
      parent: event.parent_block_hash == null ? undefined : hashText(event.parent_block_hash),
      tokens: list(event.token_ids).map(Number),
      blockSize: Number(event.block_size),
      adapter: typeof event.lora_name === 'string' ? event.lora_name : undefined,
      extras: hashes.map((_, i) => JSON.stringify(list(list(event.extra_keys)[i]).map(String))),
    },
  ];
}

/** Events of one payload; none when it is not a batch. */
export function readEvents(payload: Uint8Array): Event[] {
  let batch: unknown;
  try {
    batch = decode(payload, { useBigInt64: true });
  } catch {
    return [];
  }
  const events = Array.isArray(batch) ? batch[1] : (batch as Fields | null)?.events;
  return list(events).flatMap(readEvent);
}

/** The message of a line; undefined when its frames are no message. */
export function messageOf({ frames }: MsgLine): Message | undefined {
  const message = readMessage(frames.map((frame) => Buffer.from(frame, 'base64')));
  return typeof message === 'string' ? undefined : message;
}

/** What an operator configures, read off the events. */
export interface Settings {
  readonly blockTokens: number;
  readonly adapters: ReadonlySet<string>;
}

const DEFAULT_BLOCK_TOKENS = 16;

export function settingsOf(recording: Recording): Settings {
  const sizes = new Map<number, number>();
  const adapters = new Set<string>();
  const messages = recording.run.flatMap((line) => (line.k === 'msg' ? (messageOf(line) ?? []) : []));
  for (const event of messages.flatMap(({ payload }) => readEvents(payload))) {
    if (event.type !== 'stored') continue;
    if (event.blockSize > 0) sizes.set(event.blockSize, (sizes.get(event.blockSize) ?? 0) + event.hashes.length);
    if (event.adapter !== undefined) adapters.add(event.adapter);
  }
  const [most] = [...sizes].sort((a, b) => b[1] - a[1]);
  return { blockTokens: most?.[0] ?? DEFAULT_BLOCK_TOKENS, adapters };
}
