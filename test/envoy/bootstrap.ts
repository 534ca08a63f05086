// Bootstrap configurations as our tests, the demo and the benchmarks need them; as plain objects, for Envoy reads JSON too.
//
//   listener main ─ header_mutation (strips a forged destination) ─ wasm … ─ router ─► cluster pool (override_host)
//                                                                                     other clusters (the indexer)

/** Any configuration message of Envoy, as JSON. */
export type Json = { readonly [key: string]: unknown };
export type Bootstrap = Json;

export const DESTINATION_HEADER = 'x-gateway-destination-endpoint';

export interface FilterOptions {
  /** Path of the module. */
  readonly wasm: string;
  /** Plugin configuration. Default empty. */
  readonly configuration?: string;
  /** Default `kvane`, as are root id and plugin name. */
  readonly name?: string;
  readonly rootId?: string;
  readonly vmId?: string;
  /** Pause mode (facts §4). Default true. */
  readonly allowOnHeadersStopIteration?: boolean;
  readonly failurePolicy?: 'FAIL_RELOAD' | 'FAIL_CLOSED' | 'FAIL_OPEN';
  readonly reloadBackoffSeconds?: number;
}

export interface ClusterOptions {
  readonly name: string;
  /** `host:port` each. */
  readonly endpoints: readonly string[];
  /** The endpoint that the destination header names, with least request as the fallback (default for `pool`), or least request alone. */
  readonly policy?: 'override_host' | 'least_request';
  readonly http2?: boolean;
  /** HTTP/1.1 trailers, which Envoy drops otherwise. */
  readonly trailers?: boolean;
}

export interface BootstrapOptions {
  /** Where requests go. */
  readonly pool: readonly string[] | ClusterOptions;
  /** More clusters, for instance the indexer. */
  readonly clusters?: readonly ClusterOptions[];
  /** Wasm filters in order. None: plain Envoy. */
  readonly filters?: readonly FilterOptions[];
  /** Remove a client-sent destination header natively, before our filter (facts §6.3). Default true. */
  readonly strip?: boolean;
  /** More http filters, placed before the router. */
  readonly extraHttpFilters?: readonly Json[];
  readonly listen?: { readonly address?: string; readonly port?: number };
  /** Soft limit for HTTP/1.1 streams. Envoy's default is 1 MiB. */
  readonly bufferLimitBytes?: number;
  /** The route's own limit; raises the one above. */
  readonly requestBodyBufferLimitBytes?: number;
  /** Default: as DESIGN §5.6, two more tries on connection failures. `null`: none. */
  readonly retryPolicy?: Json | null;
  readonly routeTimeout?: string;
  readonly statsTags?: readonly { tag_name: string; regex: string }[];
  /** Default `main`. */
  readonly listenerName?: string;
  /** More listeners, made with `listener`. */
  readonly moreListeners?: readonly Json[];
  /** Directory for listeners from the file system: write them with `writeListeners`, change them while Envoy runs. */
  readonly listenersDirectory?: string;
}

export const RETRY_POLICY: Json = { retry_on: 'connect-failure,refused-stream,reset-before-request', num_retries: 2 };

/** Envoy allows a cluster three retries at a time by default: when a pod dies, all but three of its requests would get 503. */
const RETRIES_MAX = 1024;

export function bootstrap(options: BootstrapOptions): Bootstrap {
  const { listenersDirectory: directory } = options;
  const pool = 'endpoints' in options.pool ? options.pool : { name: 'pool', endpoints: options.pool };
  return {
    node: { id: 'test', cluster: 'test' },
    admin: { address: socketAddress('127.0.0.1:0') },
    ...(options.statsTags && { stats_config: { stats_tags: options.statsTags } }),
    ...(directory && { dynamic_resources: { lds_config: fileSource(directory) } }),
    static_resources: {
      ...(!directory && { listeners: [listener(options), ...(options.moreListeners ?? [])] }),
      clusters: [cluster({ policy: 'override_host', ...pool }), ...(options.clusters ?? []).map(cluster)],
    },
  };
}

/** The listener alone, for a file of listeners. */
export function listener(options: BootstrapOptions): Json {
  const pool = 'endpoints' in options.pool ? options.pool.name : 'pool';
  const { address = '127.0.0.1', port = 0 } = options.listen ?? {};
  const route = {
    cluster: pool,
    timeout: options.routeTimeout ?? '0s',
    ...(options.retryPolicy !== null && { retry_policy: options.retryPolicy ?? RETRY_POLICY }),
  };
  const match = {
    match: { prefix: '/' },
    route,
    ...(options.requestBodyBufferLimitBytes !== undefined && { request_body_buffer_limit: options.requestBodyBufferLimitBytes }),
  };
  const manager = {
    stat_prefix: 'main',
    codec_type: 'AUTO',
    http_protocol_options: { enable_trailers: true },
    route_config: { name: 'main', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [match] }] },
    http_filters: [
      ...(options.strip === false ? [] : [stripFilter()]),
      ...(options.filters ?? []).map(wasmFilter),
      ...(options.extraHttpFilters ?? []),
      { name: 'router', typed_config: { '@type': `${FILTERS}.http.router.v3.Router` } },
    ],
  };
  const chain = {
    name: 'hcm',
    typed_config: { '@type': `${FILTERS}.network.http_connection_manager.v3.HttpConnectionManager`, ...manager },
  };
  return {
    name: options.listenerName ?? 'main',
    address: socketAddress(`${address}:${port}`),
    ...(options.bufferLimitBytes !== undefined && { per_connection_buffer_limit_bytes: options.bufferLimitBytes }),
    filter_chains: [{ filters: [chain] }],
  };
}

const EXTENSIONS = 'type.googleapis.com/envoy.extensions';
const FILTERS = `${EXTENSIONS}.filters`;

function stripFilter(): Json {
  const mutations = { request_mutations: [{ remove: DESTINATION_HEADER }] };
  return { name: 'strip', typed_config: { '@type': `${FILTERS}.http.header_mutation.v3.HeaderMutation`, mutations } };
}

/** Pause mode, reloading after a trap (facts §4, §9). */
export function wasmFilter(options: FilterOptions): Json {
  const name = options.name ?? 'kvane';
  const { failurePolicy = 'FAIL_RELOAD' } = options;
  const config = {
    name,
    root_id: options.rootId ?? name,
    failure_policy: failurePolicy,
    ...(failurePolicy === 'FAIL_RELOAD' && { reload_config: { backoff: { base_interval: `${options.reloadBackoffSeconds ?? 1}s` } } }),
    allow_on_headers_stop_iteration: options.allowOnHeadersStopIteration ?? true,
    configuration: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: options.configuration ?? '' },
    vm_config: { vm_id: options.vmId ?? name, runtime: 'envoy.wasm.runtime.v8', code: { local: { filename: options.wasm } } },
  };
  return { name, typed_config: { '@type': `${FILTERS}.http.wasm.v3.Wasm`, config } };
}

export function cluster(options: ClusterOptions): Json {
  const policies = options.policy === 'override_host' ? overrideHost() : leastRequest();
  return {
    name: options.name,
    type: 'STATIC',
    connect_timeout: '1s',
    circuit_breakers: { thresholds: [{ max_retries: RETRIES_MAX }] },
    load_assignment: {
      cluster_name: options.name,
      endpoints: [{ lb_endpoints: options.endpoints.map((endpoint) => ({ endpoint: { address: socketAddress(endpoint) } })) }],
    },
    load_balancing_policy: policies,
    ...((options.http2 || options.trailers) && {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': `${EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions`,
          explicit_http_config: options.http2 ? { http2_protocol_options: {} } : { http_protocol_options: { enable_trailers: true } },
        },
      },
    }),
  };
}

function leastRequest(): Json {
  const typed_config = { '@type': `${EXTENSIONS}.load_balancing_policies.least_request.v3.LeastRequest` };
  return { policies: [{ typed_extension_config: { name: 'envoy.load_balancing_policies.least_request', typed_config } }] };
}

/** The host that the header names; it ignores health (facts §6.1), hence the retry policy. */
function overrideHost(): Json {
  const typed_config = {
    '@type': `${EXTENSIONS}.load_balancing_policies.override_host.v3.OverrideHost`,
    override_host_sources: [{ header: DESTINATION_HEADER }],
    fallback_policy: leastRequest(),
  };
  return { policies: [{ typed_extension_config: { name: 'envoy.load_balancing_policies.override_host', typed_config } }] };
}

function socketAddress(endpoint: string): Json {
  const colon = endpoint.lastIndexOf(':');
  return { socket_address: { address: endpoint.slice(0, colon), port_value: Number(endpoint.slice(colon + 1)) } };
}

function fileSource(directory: string): Json {
  return {
    resource_api_version: 'V3',
    path_config_source: { path: `${directory}/listeners.json`, watched_directory: { path: directory } },
  };
}
