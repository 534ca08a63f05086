// A pool as an indexer holds it after a while: every pod full, each prefix of the requests held by one of them.
import { Plane } from '../../../indexer/index/plane.js';
import { seedsOf } from '../../../indexer/index/seeds.js';
import type { SummaryEndpoint, SummaryLoad, SummaryTables } from '../../../indexer/publish/summary.js';
import { type ChatRequest, chatRequest, MODEL, prefixTokens } from './chats.js';
import { Pod } from './pods.js';
import { qwen3Program } from './program.js';
import { benchTokenizer } from './tokenizer.js';

export const POOL = 'bench';
export const BLOCK_TOKENS = 16;
export const STRIDE_BYTES = 64;
const FILL_BATCH_BLOCKS = 64;
/** Filled in turns, with a publication after each, as time would have it. */
const FILL_TURN_BLOCKS = 3000;

export interface FleetOptions {
  readonly bodyBytes: number;
  readonly prefixes: number;
  /** `ip:port` of each pod. */
  readonly addresses: readonly string[];
  readonly blocksPerPod: number;
}

export interface Fleet {
  readonly plane: Plane;
  readonly tables: SummaryTables;
  readonly load: readonly SummaryLoad[];
  readonly requests: readonly ChatRequest[];
  /** Which pod holds the prefix of a request. */
  holderOf(request: number): number;
}

export async function makeFleet(options: FleetOptions): Promise<Fleet> {
  const { bodyBytes, prefixes, addresses, blocksPerPod } = options;
  const seeds = seedsOf('the benchmark is no secret');
  const plane = await Plane.create({ strideBytes: STRIDE_BYTES, ...seeds });
  plane.loadTokens(benchTokenizer().table);
  const program = await qwen3Program();
  const pods = addresses.map((_, number) => new Pod(number, BLOCK_TOKENS));
  const requests = Array.from({ length: prefixes }, (_, i) => chatRequest(bodyBytes, i));
  const holderOf = (request: number): number => request % pods.length;

  for (const [i, request] of requests.entries()) {
    const pod = pods[holderOf(i)]!;
    for (const batch of pod.chain(prefixTokens(request, program), i)) apply(plane, pod.number, batch);
  }
  for (let blocks = FILL_TURN_BLOCKS; ; blocks += FILL_TURN_BLOCKS) {
    const wanted = Math.min(blocks, blocksPerPod);
    for (const pod of pods)
      for (let room = 0; (room = wanted - plane.residentBlocks(pod.number)) > 0; )
        apply(plane, pod.number, pod.batch(Math.min(FILL_BATCH_BLOCKS, room), 0));
    plane.publish();
    if (wanted === blocksPerPod) break;
  }

  const parameters = { blockTokens: BLOCK_TOKENS, strideBytes: STRIDE_BYTES, enabled: true, ageLimitMs: 600_000, ...seeds };
  return {
    plane,
    tables: { parameters, models: [{ name: MODEL, adapter: false }], programs: [program], endpoints: addresses.map(endpointOf) },
    load: addresses.map((_, id) => ({ id, kvUsage: 0.6, running: 0, waiting: 0, inFlight: 0, ageMs: 0 })),
    requests,
    holderOf,
  };
}

export function endpointOf(address: string, id: number): SummaryEndpoint {
  return { id, address, name: `qwen3-8b-${id}`, namespace: 'inference', rank: 0, ready: true };
}

/** Applies a batch of our own making: all of it must count. */
export function apply(plane: Plane, slot: number, batch: Uint8Array): void {
  const { status, skipped } = plane.apply(slot, batch);
  if (status !== 'ok' || Object.keys(skipped).length > 0)
    throw new Error(`a benchmark batch was not applied: ${status} ${JSON.stringify(skipped)}`);
}
