import { EventEmitter, once } from 'node:events';
import { decode } from '@msgpack/msgpack';
import { afterEach, expect, test } from 'vitest';
import { Dealer, Subscriber } from 'zeromq';
import { Engine, type EngineOptions } from './engine.js';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start(options);
  closing.push(() => engine.stop());
  return engine;
}

interface Received {
  readonly topic: string;
  readonly sequence: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever msgpack holds
  readonly batch: any;
}

/** Receives all the time: ZeroMQ sends its subscriptions to a new peer only while the socket is in use. */
class Listener {
  readonly socket = new Subscriber({ linger: 0, reconnectInterval: 20 });
  private readonly received: Received[] = [];
  private readonly arrivals = new EventEmitter();

  constructor() {
    this.socket.subscribe('');
    closing.push(() => this.socket.close());
  }

  async pump(): Promise<void> {
    for await (const [topic, sequence, payload] of this.socket) {
      const batch = decode(payload!, { useBigInt64: true });
      this.received.push({ topic: String(topic), sequence: Number(sequence!.readBigUInt64BE()), batch });
      this.arrivals.emit('message');
    }
  }

  async take(count: number): Promise<Received[]> {
    while (this.received.length < count) await once(this.arrivals, 'message');
    return this.received.splice(0, count);
  }

  async sequences(count: number): Promise<number[]> {
    return (await this.take(count)).map((message) => message.sequence);
  }
}

async function listen(engine: Engine): Promise<Listener> {
  const listener = new Listener();
  listener.socket.connect(engine.eventsEndpoint!);
  void listener.pump().catch(() => {});
  await engine.subscribed();
  return listener;
}

let prompts = 0;
/** One prompt of new blocks: one batch with one store. */
async function store(engine: Engine, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    const prompt = Array.from({ length: 40 }, (_, at) => 1000 + ((++prompts * 7 + at * 13) % 9000));
    const body = JSON.stringify({ prompt, max_tokens: 1, ignore_eos: true });
    await fetch(`${engine.url}/v1/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).then((r) =>
      r.text(),
    );
  }
}

async function replay(engine: Engine, first: number): Promise<Buffer[][]> {
  const dealer = new Dealer({ linger: 0 });
  closing.push(() => dealer.close());
  dealer.connect(engine.replayEndpoint!);
  const start = Buffer.alloc(8);
  start.writeBigUInt64BE(BigInt(first));
  await dealer.send(['', start]);
  const replies: Buffer[][] = [];
  for (;;) {
    const reply = await dealer.receive();
    if (reply.at(-2)!.equals(Buffer.alloc(8, 0xff))) return [...replies, reply];
    replies.push(reply);
  }
}

test('an engine that binds: sequence from 0, the layout of its version', async () => {
  const old = await start({ version: '0.23' });
  const now = await start({ version: '0.32', blockSize: 32, events: { hashes: 'bytes', rank: 3 } });
  const [fromOld, fromNow] = [await listen(old), await listen(now)];
  await Promise.all([store(old, 2), store(now)]);
  const [first, second] = await fromOld.take(2);
  expect([first!.sequence, second!.sequence, first!.topic]).toEqual([0, 1, `kv@${old.address}@tiny-qwen3`]);
  expect(first!.batch[1][0].slice(0, 1)).toEqual(['BlockStored']);
  expect(first!.batch[1][0][1]).toEqual([expect.any(BigInt), expect.any(BigInt)]);
  expect(first!.batch[2]).toBe(0);
  const [mapped] = await fromNow.take(1);
  expect(mapped!.batch[1][0]).toMatchObject({ type: 'BlockStored', block_size: 32, parent_block_hash: null });
  expect(mapped!.batch[1][0].block_hashes[0].length).toBe(32);
  expect(mapped!.batch[2]).toBe(3);
});

test('engines that dial a central endpoint, one topic each', async () => {
  const central = new Listener();
  await central.socket.bind('tcp://127.0.0.1:*');
  void central.pump().catch(() => {});
  const dial = central.socket.lastEndpoint!;
  const engines = [
    await start({ events: { dial, topic: 'kv@a@m' } }),
    await start({ events: { dial, topic: 'kv@b@m', layout: 'map-batch' } }),
  ];
  for (const engine of engines) {
    await engine.subscribed();
    await store(engine);
  }
  const received = await central.take(2);
  expect(received.map((message) => message.topic).sort()).toEqual(['kv@a@m', 'kv@b@m']);
  expect(received.find((message) => message.topic === 'kv@b@m')!.batch.events[0].type).toBe('BlockStored');
});

test.each([
  ['0.23', 3],
  ['0.32', 4],
] as const)('%s replays what it still has, in its framing', async (version, frames) => {
  const engine = await start({ version, events: { bufferSteps: 5 } });
  await store(engine, 8);
  const all = await replay(engine, 0);
  expect(all.map((reply) => reply.length)).toEqual(Array(6).fill(frames));
  expect(all.slice(0, -1).map((reply) => Number(reply.at(-2)!.readBigUInt64BE()))).toEqual([3, 4, 5, 6, 7]);
  expect(all.at(-1)!.map(String)).toEqual(['', ...(frames === 4 ? [''] : []), String(Buffer.alloc(8, 0xff)), '']);
  expect((await replay(engine, 6)).length).toBe(3);
  expect((await replay(engine, 1_000_000)).length).toBe(1);
});

test('lost, doubled and reordered messages; replay has them all', async () => {
  const engine = await start();
  const listener = await listen(engine);
  engine.injectEventFault('drop', 2);
  engine.injectEventFault('duplicate', 1);
  engine.injectEventFault('reorder', 3);
  await store(engine, 7);
  expect(await listener.sequences(6)).toEqual([2, 2, 5, 4, 3, 6]);
  expect((await replay(engine, 0)).length).toBe(8);
});

test('a clear is announced with the next step, first in its batch', async () => {
  const engine = await start();
  const listener = await listen(engine);
  await store(engine);
  const answer = await fetch(`${engine.url}/reset_prefix_cache`, { method: 'POST' });
  expect(await answer.json()).toEqual({ success: true });
  expect(engine.nextSequence).toBe(1n);
  await store(engine);
  const [, second] = await listener.take(2);
  expect(second!.batch[1].map((event: { type: string }) => event.type)).toEqual(['AllBlocksCleared', 'BlockStored']);
});

test('a restarted engine begins a new sequence under new hashes, on the same port', async () => {
  const engine = await start();
  const listener = await listen(engine);
  const body = JSON.stringify({ prompt: Array(40).fill(1000), max_tokens: 1 });
  const same = () => fetch(`${engine.url}/v1/completions`, { method: 'POST', body }).then((r) => r.text());
  await same();
  await store(engine);
  await engine.restart();
  await engine.subscribed();
  await same();
  const [first, , afterwards] = await listener.take(3);
  expect(afterwards!.sequence).toBe(0);
  expect(afterwards!.batch[1][0].token_ids).toEqual(first!.batch[1][0].token_ids);
  expect(afterwards!.batch[1][0].block_hashes).not.toEqual(first!.batch[1][0].block_hashes);
});
