import { decode, encode } from '@msgpack/msgpack';
import { describe, expect, test } from 'vitest';
import { canonicalBatch, peekBatch } from '../../../indexer/events/canonical.js';
import { readMessage, readReplayed, sequenceFrame } from '../../../indexer/events/frames.js';
import { Plane } from '../../../indexer/index/plane.js';

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex');
/** Golden vectors of the facts on vLLM, section 2. */
const ARRAYS = '93cb3ff8000000000000929aab426c6f636b53746f7265649101c092010202c0a3475055c0c0c091b0416c6c426c6f636b73436c6561726564c0';
const MAPS =
  '93cb3ff80000000000009289a474797065ab426c6f636b53746f726564ac626c6f636b5f68617368657392cfffffffffffffffffc4200101010101010101010101010101010101010101010101010101010101010101b1706172656e745f626c6f636b5f68617368c0a9746f6b656e5f696473920102aa626c6f636b5f73697a6502a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f6e616d65c0aa65787472615f6b6579739292a473616c7492a26d6dfdc081a474797065b0416c6c426c6f636b73436c656172656400';
const MAP_BATCH =
  '83a27473cb3ff8000000000000a66576656e74739181a474797065b0416c6c426c6f636b73436c6561726564b2646174615f706172616c6c656c5f72616e6b00';

describe('peekBatch', () => {
  test.each([
    ['arrays', ARRAYS, null],
    ['maps', MAPS, 0],
    ['map batch', MAP_BATCH, 0],
  ])('%s', (_, text, rank) => {
    expect(peekBatch(hex(text))).toMatchObject({ timestamp: 1.5, rank });
  });

  test('two elements, large ranks, integer times, garbage', () => {
    expect(peekBatch(encode([2.5, []]))).toEqual({ timestamp: 2.5, rank: null });
    expect(peekBatch(encode([2.5, [], 200]))).toMatchObject({ timestamp: 2.5, rank: 200 });
    expect(peekBatch(encode([7, [], 3]))).toMatchObject({ timestamp: 7, rank: 3 });
    expect(peekBatch(new Uint8Array([0xc1]))).toBeUndefined();
    expect(peekBatch(new Uint8Array())).toBeUndefined();
  });
});

describe('canonicalBatch', () => {
  const plain = (payload: Uint8Array): unknown => decode(canonicalBatch(payload)!, { useBigInt64: true });

  test('maps become arrays; hashes of 2^64 − 1 and of bytes survive', () => {
    const [timestamp, [stored, cleared], rank] = plain(hex(MAPS)) as [number, [unknown[], unknown[]], number];
    expect([timestamp, rank]).toEqual([1.5, 0]);
    expect(stored[1]).toEqual([0xffff_ffff_ffff_ffffn, new Uint8Array(32).fill(1)]);
    expect(stored.slice(2, 8)).toEqual([null, [1, 2], 2, null, 'GPU', null]);
    expect(stored[8]).toEqual([['salt', ['mm', -3]], null]);
    expect(cleared).toEqual(['AllBlocksCleared']);
  });

  test('signed hashes are the same bits unsigned; a salt field becomes the first extra key', () => {
    const event = { type: 'BlockStored', block_hashes: [-1n, 5], parent_block_hash: -2, token_ids: [1], block_size: 1, cache_salt: 't' };
    const [, [stored]] = plain(encode([1.5, [event], null], { useBigInt64: true })) as [number, [unknown[]]];
    expect(stored[1]).toEqual([0xffff_ffff_ffff_ffffn, 5]);
    expect(stored[2]).toBe(0xffff_ffff_ffff_fffen);
    expect(stored[8]).toEqual([['t']]);
  });

  test('unknown events stay for core to count; what is no batch is none', () => {
    expect(plain(encode([1.5, [['BlockInactive', 1], 7], 0]))).toEqual([1.5, [['BlockInactive', 1], 7], 0]);
    for (const value of [7, 'x', null, [1.5], [1.5, 'x'], {}]) expect(canonicalBatch(encode(value))).toBeUndefined();
    expect(canonicalBatch(hex('93cb3ff8'))).toBeUndefined();
  });

  test('core reads what comes out, with the same effect', async () => {
    const plane = await Plane.create({ strideBytes: 8, chainSeed: 1n, namespaceSeed: 2n });
    plane.loadTokens({
      size: 2,
      bytes: Buffer.from('abcdefgh12345678'),
      offsets: Uint32Array.of(0, 8, 16),
      unknown: new Set(),
      nfc: false,
      completionPrefix: new Uint8Array(),
    });
    const event = {
      type: 'BlockStored',
      block_hashes: [-1n, 5n],
      parent_block_hash: null,
      token_ids: [0, 1],
      block_size: 1,
      medium: 'GPU',
    };
    const odd = encode({ events: [event], ts: 3, attn_dp_rank: 1 }, { useBigInt64: true });
    expect(plane.apply(0, canonicalBatch(odd)!)).toMatchObject({ status: 'ok', stored: 2, rank: 1 });
    const removed = encode([1.5, [['BlockRemoved', [0xffff_ffff_ffff_ffffn], 'GPU']], 0], { useBigInt64: true });
    expect(plane.apply(0, removed)).toMatchObject({ status: 'ok', removed: 1 });
  });
});

describe('frames', () => {
  const payload = Buffer.from([0x93]);
  test.each([
    [[], 'frame_count'],
    [[Buffer.from('t'), payload], 'frame_count'],
    [[Buffer.from('t'), Buffer.alloc(7), payload], 'sequence_length'],
    [[Buffer.from('t'), Buffer.alloc(8), Buffer.alloc(0)], 'empty_payload'],
    [[Buffer.from('t'), Buffer.alloc(8), payload, payload], 'frame_count'],
  ])('%j is %s', (frames, problem) => {
    expect(readMessage(frames)).toBe(problem);
  });

  test('sequences are unsigned and big-endian', () => {
    expect(readMessage([Buffer.from('kv@ä'), Buffer.from('ffffffffffffff01', 'hex'), payload])).toMatchObject({
      topic: 'kv@ä',
      sequence: 0xffff_ffff_ffff_ff01n,
    });
  });

  test('replies of both framings, the end marker of both, and nonsense', () => {
    const empty = Buffer.alloc(0);
    const end = Buffer.alloc(8, 0xff);
    expect(readReplayed([empty, sequenceFrame(7n), payload])).toMatchObject({ sequence: 7n });
    expect(readReplayed([empty, Buffer.from('topic'), sequenceFrame(7n), payload])).toMatchObject({ sequence: 7n });
    expect(readReplayed([empty, end, empty])).toBe('end');
    expect(readReplayed([empty, empty, end, empty])).toBe('end');
    for (const frames of [
      [],
      [empty],
      [empty, empty],
      [empty, sequenceFrame(7n), empty],
      [empty, empty, empty, sequenceFrame(1n), payload],
    ]) {
      expect(readReplayed(frames)).toBe('malformed');
    }
  });
});
