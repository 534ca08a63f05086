// `wire`: what a poll answer carries per block. Whole messages are counted, headers and tables included.
import { Plane } from '../../../indexer/index/plane.js';
import type { SummaryTables } from '../../../indexer/publish/summary.js';
import { writeDelta, writeSnapshot } from '../../../indexer/publish/writer.js';
import { number, type Row } from '../report.js';
import { median } from '../statistics.js';
import type { BenchOptions, GroupResult } from '../types.js';
import { MODEL } from '../workload/chats.js';
import { apply, BLOCK_TOKENS, endpointOf, POOL, STRIDE_BYTES } from '../workload/fleet.js';
import { Pod } from '../workload/pods.js';
import { qwen3Program } from '../workload/program.js';
import { benchTokenizer } from '../workload/tokenizer.js';

const PODS = 64;
const FULLEST_BLOCKS = 30_000;
const FILL_BATCH_BLOCKS = 64;
const CHANGES = [1, 2, 4, 8, 32];
const DELTAS = 9;
const SEEDS = { chainSeed: 1n, namespaceSeed: 2n };

/** How full the pods are, each as a share of the fullest. */
const FILLINGS: Readonly<Record<string, (pod: number) => number>> = {
  equal: () => 1,
  'mean-0.7': (pod) => 0.4 + (0.6 * (PODS - pod)) / PODS,
  skewed: (pod) => 1 / (1 + pod),
  sparse: (pod) => (pod === 0 ? 1 : 0.002),
};

export async function benchWire({ quick }: BenchOptions): Promise<GroupResult> {
  const rows: Row[] = [];
  const notes: string[] = [];
  const fullest = quick ? 2000 : FULLEST_BLOCKS;
  for (const [filling, share] of Object.entries(FILLINGS)) {
    const pods = Array.from({ length: PODS }, (_, i) => new Pod(i, BLOCK_TOKENS));
    const plane = await filled(pods, (pod) => Math.max(1, Math.round(fullest * share(pod))));
    const blocks = pods.reduce((sum, { number }) => sum + plane.residentBlocks(number), 0);
    const messages = writeSnapshot({ ...envelope(1n), tables: await tables(), load: [], planes: [plane.state()] });
    const bytes = messages.reduce((sum, { length }) => sum + length, 0);
    rows.push({ id: `wire/snapshot/${filling}`, metric: 'bytes_per_block', value: bytes / blocks });
    notes.push(`${filling}: mean/fullest ${number(blocks / PODS / fullest)}, ${number(bytes / 1024)} KiB in ${messages.length} messages`);
    if (filling === 'equal') rows.push(...deltas(plane, pods));
  }
  return { rows, notes };
}

async function filled(pods: readonly Pod[], blocksOf: (pod: number) => number): Promise<Plane> {
  const plane = await Plane.create({ strideBytes: STRIDE_BYTES, ...SEEDS });
  plane.loadTokens(benchTokenizer().table);
  for (const pod of pods)
    for (let room = 0; (room = blocksOf(pod.number) - pod.resident) > 0; )
      apply(plane, pod.number, pod.batch(Math.min(FILL_BATCH_BLOCKS, room), 0));
  plane.publish();
  return plane;
}

/** The same number of changes at every endpoint: blocks that came, and as many or one less that left. */
function deltas(plane: Plane, pods: readonly Pod[]): Row[] {
  return CHANGES.map((changes) => {
    const sizes: number[] = [];
    for (let sequence = 2; sequence < 2 + DELTAS; sequence++) {
      for (const pod of pods) {
        let removes = changes >> 1;
        for (let stores = changes - removes; stores > 0; removes = 0) {
          const before = pod.stored;
          apply(plane, pod.number, pod.batch(stores, removes));
          stores -= pod.stored - before;
        }
      }
      const delta = plane.publish();
      if (!delta || delta.rebuilt) throw new Error('these changes should have made a delta');
      sizes.push(writeDelta({ ...envelope(BigInt(sequence)), planes: [delta] }).length);
    }
    return { id: `wire/delta/${changes}`, metric: 'bytes_per_block', value: median(sizes) / (changes * pods.length) };
  });
}

const envelope = (sequence: bigint) => ({ pool: POOL, epoch: 1n, sequence, publishedMs: 1_700_000_000_000 });

async function tables(): Promise<SummaryTables> {
  return {
    parameters: { blockTokens: BLOCK_TOKENS, strideBytes: STRIDE_BYTES, enabled: true, ageLimitMs: 60_000, ...SEEDS },
    models: [{ name: MODEL, adapter: false }],
    programs: [await qwen3Program()],
    endpoints: Array.from({ length: PODS }, (_, id) => endpointOf(`10.0.0.${id}:8000`, id)),
  };
}
