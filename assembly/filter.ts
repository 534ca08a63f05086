// filter.wasm: kvane's proxy-wasm filter. Exports decide what Envoy calls: each exported callback costs a microsecond or two per
// request, a response body callback two per streamed event, so what is not needed is not exported.

import { RootContext, registerRoot } from 'as-proxy-wasm';
import { KvaneRoot } from './filter/root';

export * from 'as-proxy-wasm/exports/http';
export * from 'as-proxy-wasm/exports/lifecycle';
export * from 'as-proxy-wasm/exports/request';
export * from 'as-proxy-wasm/exports/tick';
export * from './filter/inspect';

registerRoot((id: u32): RootContext => new KvaneRoot());
