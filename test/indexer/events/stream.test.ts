import { encode } from '@msgpack/msgpack';
import { beforeEach, describe, expect, test } from 'vitest';
import { EventStream, type StreamEvent, type StreamOptions } from '../../../indexer/events/stream.js';

/** A batch of the engine's process number `life`, at sequence `n`: later in every way is later in time. */
const batch = (n: number, life = 0): Uint8Array => encode([life * 1000 + n + 0.5, [], n]);
const settle = () => new Promise((resolve) => setImmediate(resolve));

let applied: (number | string)[];
let seen: StreamEvent[];
/** What the engine's replay buffer holds, and how a replay ends. */
let history: number[];
let end: 'marker' | 'silence';
let asked: bigint[];
let hold: (() => void) | undefined;

const sink: StreamOptions['sink'] = {
  apply(payload) {
    const view = new DataView(payload.buffer, payload.byteOffset);
    const time = view.getFloat64(2);
    applied.push(Math.floor(time) % 1000);
    return time;
  },
  clear: (reason) => applied.push(reason),
};

function stream({ replay = false, life = () => 0, waits = false } = {}): EventStream {
  const on = (event: StreamEvent): void => void seen.push(event);
  if (!replay) return new EventStream({ sink, on });
  return new EventStream({
    sink,
    on,
    async replay(from, onBatch, signal) {
      asked.push(from);
      if (waits) await new Promise<void>((resolve) => (hold = resolve));
      const batches = history.filter((n) => BigInt(n) >= from);
      if (!signal.aborted) for (const n of batches) onBatch(BigInt(n), batch(n, life()));
      return { batches: batches.length, end };
    },
  });
}

const feed = (target: EventStream, numbers: number[], life = 0): void => {
  for (const n of numbers) target.receive(BigInt(n), batch(n, life));
};

beforeEach(() => {
  applied = [];
  seen = [];
  history = [];
  asked = [];
  end = 'marker';
  hold = undefined;
});

describe('without a replay socket', () => {
  test('from the start', () => {
    const s = stream();
    feed(s, [0, 1, 2]);
    expect(applied).toEqual([0, 1, 2]);
    expect(s.complete).toBe(true);
  });

  test('joined late: goes on, not complete', () => {
    const s = stream();
    feed(s, [7, 8]);
    expect(applied).toEqual([7, 8]);
    expect(s.complete).toBe(false);
  });

  test('a simulator that counts from 1', () => {
    const s = stream();
    feed(s, [1, 2]);
    expect(s.complete).toBe(true);
  });

  test('gap: goes on, not complete any more', () => {
    const s = stream();
    feed(s, [0, 1, 4, 5]);
    expect(applied).toEqual([0, 1, 4, 5]);
    expect(seen).toEqual(['gap']);
    expect(s.complete).toBe(false);
  });

  test('reordered: what came late is applied once', () => {
    const s = stream();
    feed(s, [0, 1, 3, 2, 2, 4]);
    expect(applied).toEqual([0, 1, 3, 2, 4]);
    expect(seen).toEqual(['gap', 'late', 'duplicate']);
  });

  test('duplicates are dropped, also old ones', () => {
    const s = stream();
    feed(s, [0, 1, 1, 2, 0, 1, 3]);
    expect(applied).toEqual([0, 1, 2, 3]);
  });

  test('engine restarted: cleared, and complete again from 0', () => {
    const s = stream();
    feed(s, [0, 1, 2, 3]);
    feed(s, [0, 1], 1);
    expect(applied).toEqual([0, 1, 2, 3, 'sequence', 0, 1]);
    expect(s.complete).toBe(true);
    expect(s.restarts).toBe(1);
  });

  test('engine restarted and its first events were lost', () => {
    const s = stream();
    feed(s, [0, 1, 2, 3]);
    feed(s, [2, 3], 1);
    expect(applied).toEqual([0, 1, 2, 3, 'sequence', 2, 3]);
    expect(s.complete).toBe(false);
  });

  test('engine restarted with a clock that went back: noticed after a while', () => {
    const s = stream();
    feed(s, [100, 101], 5);
    feed(s, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4);
    expect(applied).toEqual([100, 101, 'sequence', 7, 8, 9]);
  });

  test('told of a restart: cleared, whatever comes next is taken', () => {
    const s = stream();
    feed(s, [0, 1, 2]);
    s.reset();
    feed(s, [5], 1);
    expect(applied).toEqual([0, 1, 2, 'restart', 5]);
  });
});

describe('with a replay socket', () => {
  test('joined late: history first, then what arrived meanwhile', async () => {
    const s = stream({ replay: true, waits: true });
    history = [0, 1, 2, 3];
    s.connected();
    feed(s, [3, 4, 5]);
    expect(applied).toEqual([]);
    hold!();
    await settle();
    expect(applied).toEqual([0, 1, 2, 3, 4, 5]);
    expect(s.complete).toBe(true);
  });

  test('an engine that has not said anything yet', async () => {
    const s = stream({ replay: true });
    s.connected();
    await settle();
    expect(s.complete).toBe(true);
    feed(s, [0, 1]);
    expect(applied).toEqual([0, 1]);
    expect(s.complete).toBe(true);
  });

  test('history was cut: applied, not complete', async () => {
    const s = stream({ replay: true });
    history = [10, 11];
    s.connected();
    await settle();
    feed(s, [12]);
    expect(applied).toEqual([10, 11, 12]);
    expect(s.complete).toBe(false);
  });

  test('gap: asks for exactly what is missing', async () => {
    const s = stream({ replay: true });
    history = [0, 1, 2, 3, 4, 5];
    feed(s, [0, 1, 4]);
    await settle();
    feed(s, [5, 6]);
    expect(asked).toEqual([2n]);
    expect(applied).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(s.complete).toBe(true);
  });

  test('gap while a replay dies: live events go on', async () => {
    const s = stream({ replay: true });
    end = 'silence';
    feed(s, [0, 1, 4]);
    await settle();
    feed(s, [5]);
    expect(applied).toEqual([0, 1, 4, 5]);
    expect(seen).toEqual(['gap', 'replay', 'replay_failed']);
    expect(s.complete).toBe(false);
  });

  test('reordered during a replay is no restart', async () => {
    const s = stream({ replay: true, waits: true });
    history = [0, 1, 2, 3, 4];
    feed(s, [0, 3, 2, 1]);
    hold!();
    await settle();
    expect(applied).toEqual([0, 1, 2, 3, 4]);
    expect(seen).toEqual(['gap', 'replay']);
  });

  test('engine restarted during its replay: old history is not applied on top', async () => {
    const s = stream({ replay: true, waits: true });
    history = [0, 1, 2, 3];
    feed(s, [0, 1, 3]);
    const finish = hold!;
    feed(s, [0, 1], 1);
    finish();
    await settle();
    expect(applied).toEqual([0, 1, 'sequence', 0, 1]);
  });

  test('reconnected: asks for what came since', async () => {
    const s = stream({ replay: true });
    feed(s, [0, 1]);
    history = [0, 1, 2, 3];
    s.connected();
    await settle();
    expect(asked).toEqual([2n]);
    expect(applied).toEqual([0, 1, 2, 3]);
  });

  test('stopped during a replay: nothing is applied any more', async () => {
    const s = stream({ replay: true, waits: true });
    history = [0, 1];
    s.connected();
    s.stop();
    hold!();
    await settle();
    expect(applied).toEqual([]);
  });
});
