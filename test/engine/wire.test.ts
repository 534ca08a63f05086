import { decode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { fixture, messageOf } from '../fixtures/recording.js';
import type { KvEvent } from './kv-events.js';
import type { EventLayout } from './options.js';
import { namedEvent, type WireEvent } from './recorded/events.js';
import { encodeBatch } from './wire.js';

function hashOf(wire: bigint | number | Uint8Array): string {
  if (wire instanceof Uint8Array) return Buffer.from(wire).toString('latin1');
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64BE(BigInt(wire), 24);
  return bytes.toString('latin1');
}

function eventOf(event: WireEvent): KvEvent {
  if (event.type === 'AllBlocksCleared') return { type: event.type };
  const blockHashes = event.block_hashes.map(hashOf);
  if (event.type === 'BlockRemoved') return { type: event.type, blockHashes };
  return {
    type: 'BlockStored',
    blockHashes,
    parentBlockHash: event.parent_block_hash === null ? null : hashOf(event.parent_block_hash),
    tokenIds: event.token_ids,
    blockSize: event.block_size,
    loraId: event.lora_id,
    loraName: event.lora_name,
    extraKeys: event.extra_keys!,
    sessionId: event.session_id ?? null,
  };
}

const recordings: [string, string, EventLayout, 'uint64' | 'bytes'][] = [
  ['vllm-0.23.0', 'run.jsonl', 'arrays', 'uint64'],
  ['vllm-0.32.0', 'run.jsonl', 'maps', 'uint64'],
  ['vllm-0.32.0', 'lora-bytes-hashes.jsonl', 'maps', 'bytes'],
  ['vllm-0.32.0', 'dp2.jsonl', 'maps', 'uint64'],
];

test.each(recordings)('%s %s: every recorded message is encoded to the same bytes', (name, file, layout, hashes) => {
  let messages = 0;
  for (const line of fixture(name, file).run) {
    if (line.k !== 'msg') continue;
    const { payload } = messageOf(line);
    const [ts, events, rank] = decode(payload, { useBigInt64: true }) as [number, unknown[], number | null];
    const encoded = encodeBatch(
      events.map((event) => eventOf(namedEvent(event))),
      ts,
      { layout, hashes, rank: Number(rank) },
    );
    expect(Buffer.from(encoded).toString('hex')).toBe(Buffer.from(payload).toString('hex'));
    messages++;
  }
  expect(messages).toBeGreaterThan(20);
});

test('a batch that is a map equals the golden vector', () => {
  const golden =
    '83a27473cb3ff8000000000000a66576656e74739181a474797065b0416c6c426c6f636b73436c6561726564b2646174615f706172616c6c656c5f72616e6b00';
  const encoded = encodeBatch([{ type: 'AllBlocksCleared' }], 1.5, { layout: 'map-batch', hashes: 'uint64', rank: 0 });
  expect(Buffer.from(encoded).toString('hex')).toBe(golden);
});
