/** `proxy_map_type_t`: which header map. */
export enum HeaderMap {
  RequestHeaders = 0,
  RequestTrailers = 1,
  ResponseHeaders = 2,
  ResponseTrailers = 3,
  GrpcInitialMetadata = 4,
  GrpcTrailingMetadata = 5,
  HttpCallHeaders = 6,
  HttpCallTrailers = 7,
}

/** `proxy_buffer_type_t`: which bytes. Each is there only inside the callback that announces it. */
export enum Buffer {
  RequestBody = 0,
  ResponseBody = 1,
  DownstreamData = 2,
  UpstreamData = 3,
  HttpCallBody = 4,
  GrpcMessage = 5,
  /** Inside `onStart`. */
  VmConfiguration = 6,
  /** Inside `onConfigure`. */
  PluginConfiguration = 7,
  ForeignFunctionArgument = 8,
}

/** `proxy_stream_type_t`: which direction to resume or close. */
export enum Direction {
  Request = 0,
  Response = 1,
  Downstream = 2,
  Upstream = 3,
}

/** `proxy_log_level_t`. */
export enum LogLevel {
  Trace = 0,
  Debug = 1,
  Info = 2,
  Warn = 3,
  Error = 4,
  Critical = 5,
}

/** `proxy_metric_type_t`. */
export enum MetricKind {
  Counter = 0,
  Gauge = 1,
  Histogram = 2,
}

/** What a headers callback answers. The specification knows the first two; proxy-wasm-cpp-host takes all five. */
export enum HeadersStatus {
  Continue = 0,
  /**
   * Hold the headers and go on with the body. Only with `allow_on_headers_stop_iteration: true` (Envoy ≥ 1.35); otherwise the
   * host reads it as `StopAllIterationAndWatermark` and the body callback never comes (proxy-wasm-cpp-host#143).
   */
  StopIteration = 1,
  ContinueAndEndStream = 2,
  StopAllIterationAndBuffer = 3,
  /** Hold everything, no further callbacks until `continueStream`. */
  StopAllIterationAndWatermark = 4,
}

/** What a body callback answers. */
export enum BodyStatus {
  Continue = 0,
  /** Envoy keeps everything, the next callback sees the **whole** buffer; 413 above the limit, before this callback is asked. */
  StopIterationAndBuffer = 1,
  /** Envoy keeps everything under back-pressure, each callback sees the **new chunk**; stalls silently above the limit. */
  StopIterationAndWatermark = 2,
  /** Envoy throws the chunk away. */
  StopIterationNoBuffer = 3,
}

/** What a trailers callback answers. */
export enum TrailersStatus {
  Continue = 0,
  StopIteration = 1,
}
