// The host functions of proxy-wasm ABI 0.2.1, as proxy-wasm-cpp-host registers them (src/exports.cc).
// The file is called `env` because asc takes the name of the file as the name of the import module. No decorators, so that
// TypeScript tools can parse it. Each returns a status (`status.ts`); `out…` are addresses that the host writes to.
// An import costs nothing unless it is called: asc drops the unused ones.

// General
export declare function proxy_log(level: i32, message: usize, size: usize): i32;
export declare function proxy_get_log_level(outLevel: usize): i32;
export declare function proxy_get_status(outCode: usize, outPtr: usize, outSize: usize): i32;
export declare function proxy_get_current_time_nanoseconds(outNanoseconds: usize): i32;
export declare function proxy_set_tick_period_milliseconds(period: u32): i32;
export declare function proxy_set_effective_context(context: u32): i32;
export declare function proxy_done(): i32;

// Properties
export declare function proxy_get_property(path: usize, pathSize: usize, outPtr: usize, outSize: usize): i32;
export declare function proxy_set_property(path: usize, pathSize: usize, value: usize, valueSize: usize): i32;

// Header maps
export declare function proxy_get_header_map_size(map: i32, outCount: usize): i32;
export declare function proxy_get_header_map_pairs(map: i32, outPtr: usize, outSize: usize): i32;
export declare function proxy_set_header_map_pairs(map: i32, pairs: usize, size: usize): i32;
export declare function proxy_get_header_map_value(map: i32, name: usize, nameSize: usize, outPtr: usize, outSize: usize): i32;
export declare function proxy_add_header_map_value(map: i32, name: usize, nameSize: usize, value: usize, valueSize: usize): i32;
export declare function proxy_replace_header_map_value(map: i32, name: usize, nameSize: usize, value: usize, valueSize: usize): i32;
export declare function proxy_remove_header_map_value(map: i32, name: usize, nameSize: usize): i32;

// Buffers
export declare function proxy_get_buffer_status(buffer: i32, outLength: usize, outFlags: usize): i32;
export declare function proxy_get_buffer_bytes(buffer: i32, start: usize, length: usize, outPtr: usize, outSize: usize): i32;
export declare function proxy_set_buffer_bytes(buffer: i32, start: usize, length: usize, data: usize, size: usize): i32;

// Streams
export declare function proxy_continue_stream(stream: i32): i32;
export declare function proxy_close_stream(stream: i32): i32;
export declare function proxy_send_local_response(
  code: u32,
  details: usize,
  detailsSize: usize,
  body: usize,
  bodySize: usize,
  headers: usize,
  headersSize: usize,
  grpcStatus: i32,
): i32;

// HTTP calls
export declare function proxy_http_call(
  cluster: usize,
  clusterSize: usize,
  headers: usize,
  headersSize: usize,
  body: usize,
  bodySize: usize,
  trailers: usize,
  trailersSize: usize,
  timeoutMilliseconds: u32,
  outToken: usize,
): i32;

// gRPC
export declare function proxy_grpc_call(
  service: usize,
  serviceSize: usize,
  serviceName: usize,
  serviceNameSize: usize,
  method: usize,
  methodSize: usize,
  metadata: usize,
  metadataSize: usize,
  message: usize,
  messageSize: usize,
  timeoutMilliseconds: u32,
  outToken: usize,
): i32;
export declare function proxy_grpc_stream(
  service: usize,
  serviceSize: usize,
  serviceName: usize,
  serviceNameSize: usize,
  method: usize,
  methodSize: usize,
  metadata: usize,
  metadataSize: usize,
  outToken: usize,
): i32;
export declare function proxy_grpc_send(token: u32, message: usize, messageSize: usize, endStream: i32): i32;
export declare function proxy_grpc_close(token: u32): i32;
export declare function proxy_grpc_cancel(token: u32): i32;

// Shared data and queues
export declare function proxy_get_shared_data(key: usize, keySize: usize, outPtr: usize, outSize: usize, outCas: usize): i32;
export declare function proxy_set_shared_data(key: usize, keySize: usize, value: usize, valueSize: usize, cas: u32): i32;
export declare function proxy_register_shared_queue(name: usize, nameSize: usize, outToken: usize): i32;
export declare function proxy_resolve_shared_queue(vmId: usize, vmIdSize: usize, name: usize, nameSize: usize, outToken: usize): i32;
export declare function proxy_enqueue_shared_queue(token: u32, data: usize, size: usize): i32;
export declare function proxy_dequeue_shared_queue(token: u32, outPtr: usize, outSize: usize): i32;

// Metrics
export declare function proxy_define_metric(kind: i32, name: usize, nameSize: usize, outId: usize): i32;
export declare function proxy_increment_metric(id: u32, offset: i64): i32;
export declare function proxy_record_metric(id: u32, value: u64): i32;
export declare function proxy_get_metric(id: u32, outValue: usize): i32;

// Foreign functions
export declare function proxy_call_foreign_function(
  name: usize,
  nameSize: usize,
  argument: usize,
  argumentSize: usize,
  outPtr: usize,
  outSize: usize,
): i32;
