// core.wasm: the same core as in the filter, for the indexer and for tests. No strings cross the border: addresses and numbers.
// Driver: indexer/index/core.ts.

export * from './core/exports/index';
export * from './core/exports/request';
