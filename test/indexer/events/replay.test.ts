import { afterEach, expect, test } from 'vitest';
import { Router } from 'zeromq';
import { sequenceFrame } from '../../../indexer/events/frames.js';
import { Replayer } from '../../../indexer/events/replay.js';

const sockets: Router[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

/** A ROUTER that answers every request with these frames (behind the identity); tells what was asked. */
async function router(answer: (start: bigint) => (string | Buffer)[][]) {
  const socket = new Router({ linger: 0 });
  sockets.push(socket);
  await socket.bind('tcp://127.0.0.1:*');
  const asked: bigint[] = [];
  void (async () => {
    for await (const [identity, , start] of socket) {
      asked.push(start!.readBigUInt64BE());
      for (const frames of answer(asked.at(-1)!)) await socket.send([identity!, ...frames]);
    }
  })().catch(() => {});
  return { endpoint: socket.lastEndpoint!, asked };
}

const END = Buffer.alloc(8, 0xff);
const batch = (n: number) => Buffer.from([0x90, n]);
const never = new AbortController().signal;

test.each(['two frames', 'three frames'])('%s: batches in order, up to the marker', async (form) => {
  const topic = form === 'three frames' ? ['topic'] : [];
  const { endpoint, asked } = await router((start) => [
    ...[0, 1, 2].filter((n) => BigInt(n) >= start).map((n) => ['', ...topic, sequenceFrame(BigInt(n)), batch(n)]),
    ['', ...topic.map(() => ''), END, ''],
    ['', ...topic, sequenceFrame(9n), batch(9)],
  ]);
  const got: number[] = [];
  const outcome = await new Replayer().replay(endpoint, 1n, (_, payload) => got.push(payload[1]!), never);
  expect(outcome).toEqual({ batches: 2, end: 'marker' });
  expect(got).toEqual([1, 2]);
  expect(asked).toEqual([1n]);
});

test('malformed replies are passed over', async () => {
  const { endpoint } = await router(() => [['', 'x', 'y'], [''], ['', sequenceFrame(3n), batch(3)], ['', END, '']]);
  const got: bigint[] = [];
  const outcome = await new Replayer().replay(endpoint, 0n, (sequence) => got.push(sequence), never);
  expect(outcome.end).toBe('marker');
  expect(got).toEqual([3n]);
});

test('nobody there, cut in the middle, without end: bounded in time', async () => {
  const limits = { silenceMs: 80, deadlineMs: 400 };
  expect(await new Replayer(limits).replay('tcp://127.0.0.1:1', 0n, () => {}, never)).toEqual({ batches: 0, end: 'silence' });
  const cut = await router(() => [['', sequenceFrame(0n), batch(0)]]);
  expect(await new Replayer(limits).replay(cut.endpoint, 0n, () => {}, never)).toEqual({ batches: 1, end: 'silence' });
  const endless = await router(() => Array.from({ length: 100_000 }, () => ['', sequenceFrame(1n), batch(1)]));
  const outcome = await new Replayer({ silenceMs: 5_000, deadlineMs: 50 }).replay(endless.endpoint, 0n, () => {}, never);
  expect(outcome.end).toBe('deadline');
});

test('aborted', async () => {
  const { endpoint } = await router(() => []);
  const abort = new AbortController();
  const done = new Replayer().replay(endpoint, 0n, () => {}, abort.signal);
  abort.abort();
  expect(await done).toMatchObject({ end: 'aborted' });
  expect(await new Replayer().replay(endpoint, 0n, () => {}, abort.signal)).toMatchObject({ end: 'aborted' });
});

test('at most so many at once', async () => {
  const { endpoint, asked } = await router(() => []);
  const replayer = new Replayer({ concurrency: 2, silenceMs: 150 });
  const aborts = Array.from({ length: 4 }, () => new AbortController());
  const all = aborts.map(({ signal }, i) => replayer.replay(endpoint, BigInt(i), () => {}, signal));
  await Promise.race(all);
  expect(asked.length).toBeLessThanOrEqual(3);
  await Promise.all(all);
  expect([...asked].sort()).toEqual([0n, 1n, 2n, 3n]);
});
