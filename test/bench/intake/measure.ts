import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Endpoint } from '../../../indexer/index/endpoint.js';
import { EventCounters } from '../../../indexer/index/event-counters.js';
import { Plane } from '../../../indexer/index/plane.js';
import { createMetrics } from '../../../indexer/metrics.js';
import { median } from '../statistics.js';
import { apply } from '../workload/fleet.js';
import { Pod } from '../workload/pods.js';
import { benchTokenizer } from '../workload/tokenizer.js';

export interface IntakeOptions {
  readonly blockTokens: number;
  readonly pods: number;
  readonly blocksPerPod: number;
  readonly rounds: number;
}

export interface IntakeResult {
  readonly operationsPerCpuSecond: number;
  /** The same payloads through Endpoint and EventStream. */
  readonly streamOperationsPerCpuSecond: number;
  readonly bytesPerBlock: number;
  readonly publishUsPerBlock: number;
  readonly keysPerBlock: number;
  readonly bytesOfText: number;
  readonly payloadBytes: number;
}

const STORED_PER_PAYLOAD = 8;
const PAYLOADS_PER_ROUND = 64;
const FILL_BATCH_BLOCKS = 64;
const FILL_TURN_BLOCKS = 1000;
const BYTES_PER_TOKEN = 4;

export async function measureIntake({ blockTokens, pods: podCount, blocksPerPod, rounds }: IntakeOptions): Promise<IntakeResult> {
  const pods = Array.from({ length: podCount }, (_, number) => new Pod(number, blockTokens));
  const { table } = benchTokenizer();
  const rehearsal = new Pod(0, blockTokens); // what making batches takes is not the index's
  while (rehearsal.stored < blocksPerPod * 4) rehearsal.batch(FILL_BATCH_BLOCKS, 0);
  collectGarbage();
  const before = process.memoryUsage.rss();

  const strideBytes = blockTokens * BYTES_PER_TOKEN;
  const plane = await Plane.create({ strideBytes, chainSeed: 1n, namespaceSeed: 2n });
  plane.loadTokens(table);
  for (let blocks = 0; blocks < blocksPerPod; plane.publish()) {
    blocks = Math.min(blocks + FILL_TURN_BLOCKS, blocksPerPod);
    for (const pod of pods)
      while (pod.resident < blocks) apply(plane, pod.number, pod.batch(Math.min(FILL_BATCH_BLOCKS, blocks - pod.resident), 0));
  }
  collectGarbage();
  const resident = pods.reduce((sum, { number }) => sum + plane.residentBlocks(number), 0);
  if (resident !== podCount * blocksPerPod) throw new Error(`${resident} blocks are resident, not ${podCount * blocksPerPod}`);
  const bytesPerBlock = (process.memoryUsage.rss() - before) / resident;
  const keys = pods.reduce((sum, { number }) => sum + plane.residentKeys(number), 0);

  const direct: number[] = [];
  const streamed: number[] = [];
  const published: number[] = [];
  const streams = pods.map((pod) => streamOf(pod, plane));
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    for (const results of [direct, streamed]) {
      const payloads = nextPayloads(pods);
      const operations = payloads.length * STORED_PER_PAYLOAD * 2;
      bytes = payloads.reduce((sum, { payload }) => sum + payload.length, 0) / payloads.length;
      const started = process.cpuUsage();
      if (results === direct) for (const { pod, payload } of payloads) plane.apply(pod, payload);
      else for (const { pod, payload } of payloads) streams[pod]!(payload);
      const { user, system } = process.cpuUsage(started);
      results.push((operations / (user + system)) * 1e6);
      const publishing = process.cpuUsage();
      plane.publish();
      const spent = process.cpuUsage(publishing);
      published.push((spent.user + spent.system) / operations);
    }
  }
  const after = pods.reduce((sum, { number }) => sum + plane.residentBlocks(number), 0);
  if (after !== resident) throw new Error(`${after} blocks are resident after the rounds, not ${resident}`);
  return {
    operationsPerCpuSecond: median(direct),
    streamOperationsPerCpuSecond: median(streamed),
    bytesPerBlock,
    publishUsPerBlock: median(published),
    keysPerBlock: keys / resident,
    bytesOfText: (keys / resident) * strideBytes,
    payloadBytes: bytes,
  };
}

/** Payloads made beforehand, the pods taking turns: per payload eight blocks leave, eight come. */
function nextPayloads(pods: readonly Pod[]): { readonly pod: number; readonly payload: Buffer }[] {
  return Array.from({ length: PAYLOADS_PER_ROUND * pods.length }, (_, i) => {
    const pod = pods[i % pods.length]!;
    return { pod: pod.number, payload: Buffer.from(pod.batch(STORED_PER_PAYLOAD, STORED_PER_PAYLOAD)) };
  });
}

/** What the daemon does with a payload of a pod, behind the socket. */
function streamOf(pod: Pod, plane: Plane): (payload: Buffer) => void {
  const name = `pod-${pod.number}`;
  const { stream } = new Endpoint({
    id: pod.number,
    config: { name, namespace: '', address: name, rank: 0, events: undefined, replay: undefined, url: '' },
    plane,
    replay: undefined,
    counters: new EventCounters(createMetrics(), 'bench'),
    changed: () => {},
    cleared: () => {},
  });
  let sequence = 0n;
  return (payload) => stream.receive(sequence++, payload);
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
}
