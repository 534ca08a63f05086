// Random histories of engines: commands that fast-check shrinks, and what an engine would send for them.
import fc from 'fast-check';
import type { TokenTable } from '../../indexer/tokens/table.js';
import { batchOf, type Event, type Hash, LAYOUTS, type StoredEvent } from './encode.js';

export const SEED = 20250812;
export const SLOTS_USED = 2;
export const UNKNOWN_ID = 29;
const LONG_ID = 27;

/** Short, long, empty and multi-byte texts; few of them, so that chains share strides. */
export const TOKENS: readonly (Buffer | undefined)[] = Array.from({ length: 30 }, (_, id) => {
  if (id === UNKNOWN_ID) return undefined;
  if (id === LONG_ID) return Buffer.from('a text that fills many strides at once; '.repeat(5));
  return Buffer.from(['a', ' the', 'é', '漢字', '', 'seven77', 'eight888', ' longer than a word'][id % 8]!.repeat(1 + (id >> 4)));
});

export const TABLE: TokenTable = {
  size: TOKENS.length,
  bytes: Buffer.concat(TOKENS.map((text) => text ?? Buffer.alloc(0))),
  offsets: Uint32Array.from(TOKENS.reduce<number[]>((offsets, text) => offsets.concat(offsets.at(-1)! + (text?.length ?? 0)), [0])),
  unknown: new Set([UNKNOWN_ID]),
  nfc: false,
  completionPrefix: new Uint8Array(),
};

export type HashStyle = 'uint64' | 'negative' | 'small' | 'bytes';

/** The n-th hash of an engine. */
export function hashOf(style: HashStyle, n: number): Hash {
  const wide = BigInt.asUintN(64, BigInt(n + 1) * 0x9e3779b97f4a7c15n);
  if (style === 'small') return n;
  if (style === 'negative') return BigInt.asIntN(64, wide | (1n << 63n));
  if (style === 'uint64') return wide;
  const bytes = Buffer.alloc(32, 0xab); // only the last eight bytes tell hashes apart
  bytes.writeBigUInt64BE(wide, 24);
  return bytes;
}

const number = fc.nat(1 << 20);
const kind = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('extend', 'extend', 'root', 'fork', 'again', 'again', 'report') },
  { weight: 14, arbitrary: fc.constantFrom('remove', 'removeLeaf', 'removeLeaf') },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      'orphan',
      'unknown',
      'window',
      'tier',
      'remote',
      'misaligned',
      'noTokens',
      'badToken',
      'badType',
      'tierRemove',
    ),
  },
  { weight: 1, arbitrary: fc.constant('clear') },
);
export const command = fc.record({
  kind,
  slot: fc.nat(SLOTS_USED - 1),
  pick: number,
  ids: fc.array(fc.nat(28), { minLength: 1, maxLength: 16 }),
  extra: fc.nat(23),
});
export type Command = ReturnType<typeof command.generate>['value'];
export const history = fc.record({
  style: fc.constantFrom<HashStyle>('uint64', 'negative', 'small', 'bytes'),
  layout: fc.constantFrom(...LAYOUTS),
  batches: fc.array(fc.array(command, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 16, size: 'max' }),
});

interface Known {
  readonly hash: Hash;
  readonly parent: Known | undefined;
  readonly event: StoredEvent;
}

/** Turns commands into events; remembers what each slot's engine has stored. Of blocks removed
 * from within a chain it goes on to speak, of leaves not. */
export class Engines {
  private readonly known: Known[][] = Array.from({ length: SLOTS_USED }, () => []);
  private hashes = 0;

  constructor(private readonly style: HashStyle) {}

  /** The events of one command. */
  events(command: Command): Event[] {
    const { slot, pick, ids, extra } = command;
    const known = this.known[slot]!;
    const one = known[pick % Math.max(1, known.length)];
    switch (command.kind) {
      case 'root':
        return [this.store(command, undefined, {})];
      case 'extend':
      case 'fork':
        return [this.store(command, command.kind === 'extend' ? (known.at(-1) ?? one) : one, {})];
      case 'again':
        return one ? [one.event] : [];
      case 'report':
        return one ? [report(one)] : [];
      case 'remove':
        return one
          ? [{ type: 'BlockRemoved', block_hashes: [one.hash], medium: extra % 2 ? 'GPU' : null, group_idx: [null, 0, 1][pick % 3]! }]
          : [];
      case 'removeLeaf': {
        const leaves = known.splice(-1 - (pick % 6)).reverse();
        return leaves.map(({ hash, event }) => ({
          type: 'BlockRemoved',
          block_hashes: [hash],
          medium: 'GPU',
          group_idx: event.group_idx ?? null,
        }));
      }
      case 'orphan':
        return [{ ...this.store(command, undefined, {}, true), parent_block_hash: hashOf(this.style, 900_000 + pick) }];
      case 'clear':
        known.length = 0;
        return [{ type: 'AllBlocksCleared' }];
      case 'unknown':
        return [{ type: 'BlockInactive', block_hashes: [1, 2] } as Event];
      case 'window':
        return [this.store(command, undefined, { kv_cache_spec_kind: 'sliding_window', kv_cache_spec_sliding_window: 128 }, true)];
      case 'tier':
        return [this.store(command, undefined, { medium: ['CPU', 'STORAGE', 'CPU_PINNED'][extra % 3]! }, true)];
      case 'remote':
        return [this.store(command, undefined, { locality: 'REMOTE' }, true)];
      case 'tierRemove':
        return one ? [{ type: 'BlockRemoved', block_hashes: [one.hash], medium: 'CPU' }] : [];
      case 'misaligned':
        return [this.store(command, undefined, { token_ids: [...ids, 1, 2, 3] }, true)];
      case 'noTokens':
        return [this.store(command, undefined, { token_ids: extra % 2 ? [] : null, block_size: extra % 3 ? 0 : 16 }, true)];
      case 'badToken':
        return [
          this.store(
            command,
            one,
            { token_ids: ids.map((id, i) => (i === ids.length - 1 ? UNKNOWN_ID : id)), block_size: ids.length },
            true,
            1,
          ),
        ];
      default:
        return [this.store(command, undefined, badTypes[extra % badTypes.length]!, true)];
    }
  }

  /** A store of one to four blocks; lost: the engine will not name them again. */
  private store(command: Command, parent: Known | undefined, changes: Partial<StoredEvent>, lost = false, blocks = 0): StoredEvent {
    const { ids, extra, slot } = command;
    const count = blocks || [1, 2, 4].filter((n) => ids.length % n === 0).at(extra % 3) || 1;
    const size = ids.length / count;
    const hashes = Array.from({ length: count }, () => hashOf(this.style, this.hashes++));
    const event: StoredEvent = {
      type: 'BlockStored',
      block_hashes: hashes,
      parent_block_hash: parent?.hash ?? null,
      token_ids: ids,
      block_size: size,
      medium: extra % 5 ? 'GPU' : null,
      kv_cache_spec_kind: extra % 2 ? 'full_attention' : null,
      ...extras(extra, count, parent),
      ...changes,
    };
    if (lost) return event;
    let above = parent;
    for (const [i, hash] of hashes.entries()) {
      const own = {
        ...event,
        block_hashes: [hash],
        parent_block_hash: above?.hash ?? null,
        token_ids: ids.slice(i * size, (i + 1) * size),
      };
      const keys = event.extra_keys?.[i];
      above = { hash, parent: above, event: { ...own, extra_keys: keys ? [keys] : null } };
      this.known[slot]!.push(above);
    }
    return event;
  }
}

/** Values of types that their fields do not have. */
const badTypes = [
  { block_hashes: ['text', null] },
  {
    token_ids: [
      [1, 2],
      [2, 3],
    ],
  },
  { token_ids: [-1] },
  { parent_block_hash: true },
  { block_hashes: [Buffer.alloc(4)] },
] as unknown as Partial<StoredEvent>[];

/** Adapter, salt and media: of a chain's first block, and of what follows it. */
function extras(extra: number, count: number, parent: Known | undefined): Partial<StoredEvent> {
  const lora = parent ? (parent.event.lora_name ?? null) : [null, null, 'ad-one'][extra % 3]!;
  const named: unknown[] = lora ? [lora] : [];
  const salt = !parent && extra % 4 === 1 ? ['tenant', 'ad-one', 'ténant'][extra % 3] : undefined;
  const lists = Array.from({ length: count }, (_, i) => {
    const last = i === count - 1;
    return [
      ...named,
      ...(i === 0 && salt ? [salt] : []),
      ...(extra === 17 && last ? [['image', -3]] : []),
      ...(extra === 19 && last ? ['hash of prompt embeddings', 'and another'] : []),
    ];
  });
  const given = lists.some((list) => list.length) || extra % 7 === 0;
  return {
    lora_name: lora,
    lora_id: lora || extra === 22 ? 1 : null,
    extra_keys: given ? lists.map((list) => (list.length ? list : null)) : null,
    // A second full-attention group with hashes of its own: the group is part of what names a block.
    group_idx: parent ? (parent.event.group_idx ?? null) : [null, 0, 0, 1][extra % 4]!,
  };
}

/** The whole prefix of a block in one event without parent, as a client can ask engines to report it. */
function report(leaf: Known): StoredEvent {
  const path: Known[] = [];
  for (let at: Known | undefined = leaf; at && at.event.block_size === leaf.event.block_size; at = at.parent) path.unshift(at);
  const keys = path.map(({ event }) => event.extra_keys?.[0] ?? null);
  return {
    ...leaf.event,
    parent_block_hash: path[0]!.parent?.hash ?? null,
    block_hashes: path.map(({ hash }) => hash),
    token_ids: path.flatMap(({ event }) => event.token_ids ?? []),
    extra_keys: keys.some(Boolean) ? keys : null,
  };
}

/** Payloads of one batch of commands, one per slot that it speaks of. */
export function payloadsOf(engines: Engines, layout: (typeof LAYOUTS)[number], commands: readonly Command[]): [number, Uint8Array][] {
  const perSlot = new Map<number, Event[]>();
  for (const one of commands) perSlot.set(one.slot, [...(perSlot.get(one.slot) ?? []), ...engines.events(one)]);
  return [...perSlot].map(([slot, events]) => [slot, batchOf(layout, events, slot)]);
}
