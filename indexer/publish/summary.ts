import type { RenderProgram } from '../templates/program.js';

/** What a filter may know about one endpoint. Field widths: format.ts. */
export interface SummaryEndpoint {
  /** 64 × group + slot, stable while the endpoint lives. */
  readonly id: number;
  /** `ip:port`, as the destination header carries it. */
  readonly address: string;
  readonly name: string;
  readonly namespace: string;
  readonly rank: number;
  readonly ready: boolean;
}

/** Load of one endpoint as last scraped, and what all proxies together last reported to have in flight there. */
export interface SummaryLoad {
  readonly id: number;
  /** KV utilisation, 0..1. */
  readonly kvUsage: number;
  readonly running: number;
  readonly waiting: number;
  readonly inFlight: number;
  /** Age of the scrape when published, milliseconds. */
  readonly ageMs: number;
}

export interface SummaryParameters {
  readonly blockTokens: number;
  readonly strideBytes: number;
  readonly enabled: boolean;
  /** A filter stops to believe the summary when it has not heard from the indexer for this long. */
  readonly ageLimitMs: number;
  readonly chainSeed: bigint;
  readonly namespaceSeed: bigint;
}

export interface SummaryModel {
  readonly name: string;
  readonly adapter: boolean;
}

/** Everything of a pool's summary but the planes' bits. */
export interface SummaryTables {
  readonly parameters: SummaryParameters;
  readonly models: readonly SummaryModel[];
  readonly endpoints: readonly SummaryEndpoint[];
  readonly programs: readonly RenderProgram[];
}
