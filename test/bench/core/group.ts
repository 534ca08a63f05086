// `core`: what a decision costs inside the filter, body in memory, on core.wasm in Node. Everything is timed one by one (reading
// the timer costs 0.05 µs). Quantiles per round, medians over the rounds. `render` is all between scan and walk, hashing included.
import { number, type Row } from '../report.js';
import { quantile, Rounds } from '../statistics.js';
import type { BenchOptions, GroupResult } from '../types.js';
import { SIZES, type Size } from '../workload/chats.js';
import { type Fleet, makeFleet } from '../workload/fleet.js';
import { CoreRequests } from './core-requests.js';
import { timeInto } from './timing.js';

const BLOCKS_PER_POD = 30_000;
const PREFIXES = 150;
const ROUNDS = 24;
const WARM_UP_ROUNDS = 3;
/** Decisions per round and cell, so that a round's p99 has a few values above it. */
const PASSES = 4;
const CELLS: readonly (readonly [Size, number])[] = [
  ['2KiB', 8],
  ['2KiB', 64],
  ['32KiB', 8],
  ['32KiB', 64],
  ['128KiB', 8],
  ['128KiB', 64],
  ['400KiB', 64],
];

export async function benchCore({ quick }: BenchOptions): Promise<GroupResult> {
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const [size, endpoints] of CELLS) {
    if (quick && SIZES[size] > SIZES['32KiB']) continue;
    const addresses = Array.from({ length: endpoints }, (_, i) => `10.0.0.${i}:8000`);
    const scale = { prefixes: quick ? 24 : PREFIXES, blocksPerPod: quick ? 2000 : BLOCKS_PER_POD };
    const fleet = await makeFleet({ bodyBytes: SIZES[size], addresses, ...scale });
    rows.push(...measureCell(fleet, size, endpoints, quick ? 2 : ROUNDS));
    const keys = addresses.reduce((sum, _, slot) => sum + fleet.plane.residentKeys(slot), 0) / endpoints;
    notes.push(`${size} × ${endpoints}: ${number(keys)} keys per endpoint, ${fleet.plane.state().rows} rows`);
  }
  return { rows, notes };
}

const PARTS = ['scan', 'hash', 'render', 'walk', 'decision'] as const;
type Part = (typeof PARTS)[number];

function measureCell(fleet: Fleet, size: Size, endpoints: number, rounds: number): Row[] {
  const whole = new CoreRequests(fleet, SIZES[size], { ready: true });
  const blind = new CoreRequests(fleet, SIZES[size], { ready: false });
  const promptBytes = check(fleet, whole);
  const samples = fleet.requests.length * PASSES;
  const times = Object.fromEntries(PARTS.map((part) => [part, new Float64Array(samples)])) as Record<Part, Float64Array>;
  const p50 = new Rounds<Part>();
  const p99 = new Rounds<Part>();
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    // Each part once per body: a second time its branches are known and its rows are in the caches, as no request finds them.
    for (let i = 0; i < samples; i++) {
      whole.receive(fleet.requests[i % fleet.requests.length]!.body);
      timeInto(times.decision, i, () => whole.scan() && whole.decide() > 0);
    }
    for (let i = 0; i < samples; i++) {
      blind.receive(fleet.requests[i % fleet.requests.length]!.body);
      timeInto(times.scan, i, () => blind.scan());
      timeInto(times.render, i, () => blind.decide());
      timeInto(times.walk, i, () => blind.walk());
      timeInto(times.hash, i, () => blind.hash());
    }
    if (round < 0) continue; // the compiler's
    for (const part of PARTS) {
      p50.add(part, quantile(times[part], 0.5));
      p99.add(part, quantile(times[part], 0.99));
    }
  }
  return rowsOf(size, endpoints, promptBytes, p50, p99);
}

/** Every decision must go to the holder, with the whole prefix as match. Returns the mean of the prompts' bytes. */
function check(fleet: Fleet, core: CoreRequests): number {
  let bytes = 0;
  for (const [i, request] of fleet.requests.entries()) {
    core.receive(request.body);
    if (!core.scan() || core.decide() === 0 || core.reason !== 0) throw new Error(`request ${i} is not covered: reason ${core.reason}`);
    const holder = fleet.holderOf(i);
    const share = (core.matchedStrides(holder) * fleet.tables.parameters.strideBytes) / request.body.length;
    if (core.destination !== holder || share < 0.6)
      throw new Error(`request ${i} went to ${core.destination}, match ${share}, not to ${holder}`);
    bytes += core.promptBytes;
  }
  return bytes / fleet.requests.length;
}

function rowsOf(size: Size, endpoints: number, promptBytes: number, p50: Rounds<Part>, p99: Rounds<Part>): Row[] {
  const rows = (part: Part, id: string, bytes = 0): Row[] => [
    { id, metric: 'p50_us', value: p50.median(part) },
    { id, metric: 'p99_us', value: p99.median(part) },
    ...(bytes > 0 ? [{ id, metric: 'gb_per_s', value: bytes / 1000 / p50.median(part) }] : []),
  ];
  const parts =
    endpoints === 64
      ? [
          ...rows('scan', `core/scan/${size}`, SIZES[size]),
          ...rows('render', `core/render/${size}`, promptBytes),
          ...rows('hash', `core/hash/${size}`, promptBytes),
        ]
      : [];
  return [
    ...parts,
    ...rows('walk', `core/walk/${size}/${endpoints}`),
    ...rows('decision', `core/decision/${size}/${endpoints}`, SIZES[size]),
  ];
}
