// What /v1/pools says, and the gauges that are read, not counted.
import type { Pool } from './index/pool.js';
import type { Metrics } from './metrics.js';
import type { Publisher } from './publish/publisher.js';

export function poolStatus(pool: Pool, publisher: Publisher) {
  const { config, keeper, table, tableReason } = pool;
  const result = keeper?.result;
  return {
    name: pool.name,
    ready: pool.isReady,
    model: config.model,
    models: pool.tables.models,
    blockTokens: config.blockTokens,
    strideBytes: config.strideBytes,
    epoch: publisher.epoch.toString(16).padStart(16, '0'),
    sequence: Number(publisher.sequence),
    tokenizer: table ? { tokens: table.size, nfc: table.nfc, unknown: table.unknown.size } : { refused: tableReason },
    rendering: keeper && {
      state: keeper.state,
      reason: keeper.reason,
      places: result?.program.entries.length ?? 0,
      refused: result?.refused ?? [],
      renders: result?.renders ?? 0,
      verified: result?.verified ?? 0,
      covered: result?.covered ?? 0,
    },
    residentBlocks: pool.residentBlocks(),
    endpoints: [...pool.endpoints.values()].map(
      ({ id, config: { name, namespace, address, rank }, ready, connected, load, residentBlocks, stream }) => ({
        id,
        name,
        namespace,
        address,
        rank,
        ready,
        residentBlocks,
        load: load && { ...load.metrics, ageMs: Math.round(performance.now() - load.at) },
        events: {
          connected,
          sequence: stream.last === undefined ? null : Number(stream.last),
          batches: stream.batches,
          complete: stream.complete,
          replaying: stream.isReplaying,
          restarts: stream.restarts,
        },
      }),
    ),
  };
}

export type PoolStatus = ReturnType<typeof poolStatus>;

export function collectGauges(metrics: Metrics, pools: readonly Pool[]): void {
  for (const pool of pools) {
    const labels = { pool: pool.name };
    const endpoints = [...pool.endpoints.values()];
    const ready = endpoints.filter((endpoint) => endpoint.ready).length;
    metrics.endpoints.set({ ...labels, ready: 'true' }, ready);
    metrics.endpoints.set({ ...labels, ready: 'false' }, endpoints.length - ready);
    const states = { complete: 0, partial: 0, replaying: 0 };
    for (const { stream } of endpoints) states[stream.isReplaying ? 'replaying' : stream.complete ? 'complete' : 'partial']++;
    for (const [state, streams] of Object.entries(states)) metrics.streams.set({ ...labels, state }, streams);
    metrics.residentBlocks.set(labels, pool.residentBlocks());
    metrics.wasmMemory.set(
      labels,
      pool.planes.reduce((sum, plane) => sum + plane.memoryBytes, 0),
    );
    metrics.programLearned.set(labels, pool.keeper?.state === 'learned' ? 1 : 0);
  }
}
