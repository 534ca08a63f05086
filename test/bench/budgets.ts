// The bars: DESIGN section 9, once more as numbers.
import type { Row } from './report.js';

export type Budget = { readonly aboveBaseline?: boolean } & (
  | { readonly atMost: number; readonly atLeast?: undefined }
  | { readonly atLeast: number; readonly atMost?: undefined }
);

interface Rule {
  readonly id: RegExp;
  readonly metric: string;
  readonly budget: Budget;
}

const rule = (id: RegExp, metric: string, budget: Budget): Rule => ({ id, metric, budget });
const atMost = (limit: number): Budget => ({ atMost: limit });

const RULES: readonly Rule[] = [
  rule(/^core\/decision\/32KiB\/64$/, 'p50_us', atMost(30)),
  rule(/^core\/decision\/32KiB\/64$/, 'p99_us', atMost(150)),
  rule(/^core\/decision\/128KiB\/64$/, 'p50_us', atMost(90)),
  // As the peers were measured: latency over one connection, CPU over sixteen.
  rule(/^gateway\/2KiB\/c16\//, 'cpu_ms_per_request', atMost(0.075)),
  rule(/^gateway\/32KiB\/c16\//, 'cpu_ms_per_request', atMost(0.13)),
  rule(/^gateway\/128KiB\/c16\//, 'cpu_ms_per_request', atMost(0.3)),
  rule(/^gateway\/2KiB\/c1\//, 'added_p50_ms', atMost(0.06)),
  rule(/^gateway\/32KiB\/c1\//, 'added_p50_ms', atMost(0.09)),
  rule(/^gateway\/128KiB\/c1\//, 'added_p50_ms', atMost(0.17)),
  rule(/^gateway\/400KiB\/c1\//, 'cpu_ms_per_request', { atMost: 1, aboveBaseline: true }),
  rule(/^gateway\//, 'holder_share', { atLeast: 0.99 }),
  rule(/^intake\/16$/, 'operations_per_cpu_second', { atLeast: 1_200_000 }),
  rule(/^intake\/64$/, 'operations_per_cpu_second', { atLeast: 500_000 }),
  rule(/^intake\/(16|64)$/, 'bytes_per_resident_block', atMost(80)),
  rule(/^wire\/snapshot\/(equal|mean-0\.7)$/, 'bytes_per_block', atMost(2)),
  rule(/^wire\/snapshot\//, 'bytes_per_block', atMost(6)),
  rule(/^wire\/delta\/(8|32)$/, 'bytes_per_block', atMost(8)),
  rule(/^wire\/delta\//, 'bytes_per_block', atMost(14)),
];

/** The bar of a row: the first rule that fits. */
export function budgetOf(row: Row): Budget | undefined {
  return RULES.find(({ id, metric }) => metric === row.metric && id.test(row.id))?.budget;
}
