// The host's side of proxy-wasm ABI 0.2.1: numbers, names, and the signature of every function that Envoy registers
// (proxy-wasm-cpp-host: include/proxy-wasm/exports.h, src/wasm.cc).

export const Status = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  InternalFailure: 10,
  Unimplemented: 12,
} as const;
export type Status = (typeof Status)[keyof typeof Status];

const statusNames = new Map<number, string>(Object.entries(Status).map(([name, number]) => [number, name]));
export const statusName = (status: number): string => statusNames.get(status) ?? `status ${status}`;

export const MAPS = [
  'RequestHeaders',
  'RequestTrailers',
  'ResponseHeaders',
  'ResponseTrailers',
  'GrpcInitialMetadata',
  'GrpcTrailingMetadata',
  'HttpCallHeaders',
  'HttpCallTrailers',
] as const;
export type MapName = (typeof MAPS)[number];

export const BUFFERS = [
  'RequestBody',
  'ResponseBody',
  'DownstreamData',
  'UpstreamData',
  'HttpCallBody',
  'GrpcMessage',
  'VmConfiguration',
  'PluginConfiguration',
  'ForeignFunctionArgument',
] as const;
export type BufferName = (typeof BUFFERS)[number];

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'critical'] as const;
export type Level = (typeof LEVELS)[number];

/** What the headers callback may answer. */
export const HeadersAnswer = {
  Continue: 0,
  StopIteration: 1,
  ContinueAndEndStream: 2,
  StopAllAndBuffer: 3,
  StopAllAndWatermark: 4,
} as const;
/** What the body callback may answer. */
export const BodyAnswer = { Continue: 0, StopAndBuffer: 1, StopAndWatermark: 2, StopNoBuffer: 3 } as const;

/** Parameters of each function in module `env`: i = i32, l = i64. All return an i32. */
export const PROXY_FUNCTIONS = {
  proxy_log: 'iii',
  proxy_get_log_level: 'i',
  proxy_get_status: 'iii',
  proxy_get_current_time_nanoseconds: 'i',
  proxy_set_tick_period_milliseconds: 'i',
  proxy_set_effective_context: 'i',
  proxy_done: '',
  proxy_get_property: 'iiii',
  proxy_set_property: 'iiii',
  proxy_get_header_map_size: 'ii',
  proxy_get_header_map_pairs: 'iii',
  proxy_set_header_map_pairs: 'iii',
  proxy_get_header_map_value: 'iiiii',
  proxy_add_header_map_value: 'iiiii',
  proxy_replace_header_map_value: 'iiiii',
  proxy_remove_header_map_value: 'iii',
  proxy_get_buffer_status: 'iii',
  proxy_get_buffer_bytes: 'iiiii',
  proxy_set_buffer_bytes: 'iiiii',
  proxy_continue_stream: 'i',
  proxy_close_stream: 'i',
  proxy_send_local_response: 'iiiiiiii',
  proxy_http_call: 'iiiiiiiiii',
  proxy_grpc_call: 'iiiiiiiiiiii',
  proxy_grpc_stream: 'iiiiiiiii',
  proxy_grpc_send: 'iiii',
  proxy_grpc_close: 'i',
  proxy_grpc_cancel: 'i',
  proxy_get_shared_data: 'iiiii',
  proxy_set_shared_data: 'iiiii',
  proxy_register_shared_queue: 'iii',
  proxy_resolve_shared_queue: 'iiiii',
  proxy_enqueue_shared_queue: 'iii',
  proxy_dequeue_shared_queue: 'iii',
  proxy_define_metric: 'iiii',
  proxy_increment_metric: 'il',
  proxy_record_metric: 'il',
  proxy_get_metric: 'ii',
  proxy_call_foreign_function: 'iiiiii',
} as const satisfies Record<string, string>;
export type ProxyFunction = keyof typeof PROXY_FUNCTIONS;

/** Callbacks that Envoy looks for; anything else that begins with `proxy_` would never be called. */
export const PROXY_CALLBACKS: ReadonlySet<string> = new Set([
  'proxy_abi_version_0_2_1',
  'proxy_on_memory_allocate',
  'proxy_on_context_create',
  'proxy_on_vm_start',
  'proxy_on_configure',
  'proxy_on_tick',
  'proxy_on_done',
  'proxy_on_log',
  'proxy_on_delete',
  'proxy_on_request_headers',
  'proxy_on_request_body',
  'proxy_on_request_trailers',
  'proxy_on_response_headers',
  'proxy_on_response_body',
  'proxy_on_response_trailers',
  'proxy_on_http_call_response',
  'proxy_on_queue_ready',
  'proxy_on_grpc_receive_initial_metadata',
  'proxy_on_grpc_receive_trailing_metadata',
  'proxy_on_grpc_receive',
  'proxy_on_grpc_close',
  'proxy_on_foreign_function',
]);
