import type { Row } from './report.js';

export interface BenchOptions {
  /** Small and short, for a smoke test: numbers mean nothing, bars do not count. */
  readonly quick: boolean;
}

export interface GroupResult {
  readonly rows: readonly Row[];
  /** Lines below the table. */
  readonly notes: readonly string[];
}
