import { encode } from '@msgpack/msgpack';
import { expect, test } from 'vitest';
import { sequenceFrame } from '../../../indexer/events/frames.js';
import { EventRouter } from '../../../indexer/events/router.js';
import { EventStream } from '../../../indexer/events/stream.js';

let applied: string[] = [];
const engine = (name: string, address: string, rank = 0) => {
  const apply = (): undefined => void applied.push(`${name}/${rank}`);
  return { name, address, rank, stream: new EventStream({ sink: { apply, clear: () => {} } }) };
};
const frames = (topic: string, rank: number | null = 0, sequence = 0n) => [
  Buffer.from(topic),
  sequenceFrame(sequence),
  Buffer.from(encode([1.5, [], rank])),
];

function routed(engines: ReturnType<typeof engine>[], topic: string, rank?: number | null): string {
  applied = [];
  const problem = new EventRouter('kv@', engines).route(frames(topic, rank));
  return problem ?? applied.join();
}

const fleet = () => [
  engine('pod-a', '10.0.0.1:8000'),
  engine('pod-b', '10.0.0.2:8000'),
  engine('c', '10.0.0.3:1'),
  engine('d', '10.0.0.3:2'),
];

test.each([
  ['kv@pod-a@model', 'pod-a/0'],
  ['kv@10.0.0.2:8000@org/model', 'pod-b/0'],
  ['kv@10.0.0.2@m', 'pod-b/0'],
  ['kv@pod-a', 'pod-a/0'],
  ['kv@10.0.0.3@m', 'unknown_topic'], // two engines on this host
  ['kv@10.0.0.3:2@m', 'd/0'],
  ['kv@pod-z@m', 'unknown_topic'],
  ['pod-a', 'unknown_topic'],
  ['', 'unknown_topic'],
])('topic %s goes to %s', (topic, want) => {
  expect(routed(fleet(), topic)).toBe(want);
});

test('ranks of one pod share a topic: the payload tells them apart', () => {
  const ranks = () => [engine('p', 'h:1', 0), engine('p', 'h:1', 1)];
  expect(routed(ranks(), 'kv@p@m', 1)).toBe('p/1');
  expect(routed(ranks(), 'kv@h:1@m', null)).toBe('p/0');
  expect(routed(ranks(), 'kv@h@m', 1)).toBe('p/1');
  expect(routed(ranks(), 'kv@p@m', 7)).toBe('unknown_rank');
});

test('each rank has a sequence of its own', () => {
  applied = [];
  const ranks = [engine('p', 'h:1', 0), engine('p', 'h:1', 1)];
  const router = new EventRouter('kv@', ranks);
  for (const sequence of [0n, 1n]) for (const rank of [0, 1]) router.route(frames('kv@p@m', rank, sequence));
  expect(applied).toEqual(['p/0', 'p/1', 'p/0', 'p/1']);
  expect(ranks.every(({ stream }) => stream.complete && stream.restarts === 0)).toBe(true);
});
