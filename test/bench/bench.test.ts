import { describe, expect, it } from 'vitest';
import { encodeBatch } from '../engine/wire.js';
import { benchCore } from './core/group.js';
import { benchIntake } from './intake/group.js';
import { judge, type Row, tables } from './report.js';
import { benchWire } from './wire/group.js';
import { BatchWriter, type BlockHash } from './workload/batches.js';
import { chatRequest, SERIAL_DIGITS, SIZES } from './workload/chats.js';
import { Pod } from './workload/pods.js';
import { benchTokenizer } from './workload/tokenizer.js';

const metricOf = (rows: readonly Row[], id: string, metric: string): number | undefined =>
  rows.find((row) => row.id === id && row.metric === metric)?.value;

function expectNumbers(rows: readonly Row[]): void {
  expect(rows.filter(({ value }) => !(Number.isFinite(value) && value >= 0))).toEqual([]);
}

describe('the groups, in small', () => {
  it('core measures every cell, and every decision goes to the holder of the prefix', async () => {
    const { rows } = await benchCore({ quick: true });
    expectNumbers(rows);
    for (const id of ['2KiB/8', '2KiB/64', '32KiB/8', '32KiB/64'])
      for (const metric of ['p50_us', 'p99_us']) expect(metricOf(rows, `core/decision/${id}`, metric)).toBeGreaterThan(0);
  });

  it('intake keeps the pods full while as many blocks leave as come', async () => {
    const { rows } = await benchIntake({ quick: true });
    for (const id of ['intake/16', 'intake/64']) expect(metricOf(rows, id, 'operations_per_cpu_second')).toBeGreaterThan(0);
  });

  it('wire counts whole messages for every filling and number of changes', async () => {
    const { rows } = await benchWire({ quick: true });
    expectNumbers(rows);
    expect(rows.map(({ id }) => id).filter((id) => id.startsWith('wire/delta/'))).toHaveLength(5);
    // Some way off the budgets of full pods, and nowhere near nothing.
    for (const { value } of rows) expect(value).toBeGreaterThan(0.5);
    for (const { value } of rows) expect(value).toBeLessThan(30);
  });
});

describe('the workload', () => {
  it.each(Object.entries(SIZES))('a chat body of %s has exactly that size and is valid JSON', (_, bytes) => {
    const { body, serialAt, messages } = chatRequest(bytes, 5);
    expect(body.length).toBe(bytes);
    expect(body.toString('latin1', serialAt, serialAt + SERIAL_DIGITS)).toBe('0'.repeat(SERIAL_DIGITS));
    expect(JSON.parse(body.toString()).messages).toEqual(messages);
    const tail = Buffer.byteLength(JSON.stringify(messages.at(-1)));
    expect(tail / bytes).toBeGreaterThan(0.15);
    expect(tail / bytes).toBeLessThan(0.3);
  });

  it('token ids spell the text', () => {
    const { encode, table } = benchTokenizer();
    const text = 'Système “x”\n\tdef f(a, b=None):  # 北京 12345 <|im_end|>\r\n\r\n';
    const bytes = encode(text).map((id) => Buffer.from(table.bytes.subarray(table.offsets[id], table.offsets[id + 1])));
    expect(Buffer.concat(bytes).toString('utf8')).toBe(text);
  });

  it('batches are byte for byte what the simulated engine sends', () => {
    const hash = (n: number): BlockHash => ({ high: (0x8000_0000 + n) >>> 0, low: n * 7 });
    const recorded = ({ high, low }: BlockHash): string => {
      const bytes = Buffer.alloc(32);
      bytes.writeUInt32BE(high, 24);
      bytes.writeUInt32BE(low, 28);
      return bytes.toString('latin1');
    };
    const tokens = Array.from({ length: 32 }, (_, i) => [5, 200, 60_000, 151_644][i % 4]!);
    const ours = new BatchWriter()
      .begin(1_700_000_000.5, 2)
      .removed(hash(9))
      .stored({ hashes: [hash(1), hash(2)], parent: hash(3), tokens, blockTokens: 16 })
      .end(0);
    const theirs = encodeBatch(
      [
        { type: 'BlockRemoved', blockHashes: [recorded(hash(9))] },
        {
          type: 'BlockStored',
          blockHashes: [recorded(hash(1)), recorded(hash(2))],
          parentBlockHash: recorded(hash(3)),
          tokenIds: tokens,
          blockSize: 16,
          loraId: null,
          loraName: null,
          extraKeys: [null, null],
          sessionId: null,
        },
      ],
      1_700_000_000.5,
      { layout: 'maps', hashes: 'uint64', rank: 0 },
    );
    expect(ours.equals(theirs)).toBe(true);
  });

  it('a pod never removes what it has not stored', () => {
    const pod = new Pod(3, 16);
    while (pod.stored < 512) pod.batch(8, 0);
    for (let i = 0; i < 200; i++) pod.batch(8, 8);
    expect(pod.resident).toBe(512);
  });
});

describe('the verdicts', () => {
  it('a value on the wrong side of its budget is missed, above plain Envoy where the budget says so', () => {
    const rows: Row[] = [
      { id: 'core/decision/32KiB/64', metric: 'p50_us', value: 31 },
      { id: 'intake/16', metric: 'operations_per_cpu_second', value: 1_300_000 },
      { id: 'gateway/400KiB/c1/64', metric: 'cpu_ms_per_request', value: 1.4, baseline: 0.5 },
      { id: 'gateway/2KiB/c16/8', metric: 'holder_share', value: 0.98 },
    ];
    expect(judge(rows).map(({ met }) => met)).toEqual([false, true, true, false]);
    expect(tables(rows, true)).toContain('MISSED');
    expect(tables(rows, false)).not.toContain('MISSED');
  });
});
