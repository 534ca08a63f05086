/**
 * What a host call says: `proxy_status_t` of the specification, with the names and numbers of proxy-wasm-cpp-host
 * (`WasmResult`), of which Envoy really returns 0, 1, 2, 3, 6, 7, 8, 10, 12.
 */
export enum Status {
  Ok = 0,
  /** Missing header, shared data key, buffer or metric; unknown or not yet known property. */
  NotFound = 1,
  /** Also: HTTP call to an unknown cluster, header change after the headers went on, counter step below 1. */
  BadArgument = 2,
  /** A property of a kind that cannot be turned into bytes. */
  SerializationFailure = 3,
  ParseFailure = 4,
  BadExpression = 5,
  /** An address outside of the memory; or a result above `MAX_RESULT_BYTES`, which we refuse. */
  InvalidMemoryAccess = 6,
  /** Nothing in the queue. */
  Empty = 7,
  /** Somebody else wrote the shared data first. */
  CasMismatch = 8,
  ResultMismatch = 9,
  /** Also: refused by `capability_restriction_config`. */
  InternalFailure = 10,
  BrokenConnection = 11,
  Unimplemented = 12,
}

/** Nothing there, which is an answer and not a failure. */
export function isAbsent(status: Status): bool {
  return status === Status.NotFound || status === Status.Empty;
}

/** The thing exists but cannot be had in this form or phase: do not try again with the same arguments. */
export function isRefused(status: Status): bool {
  return status === Status.BadArgument || status === Status.SerializationFailure || status === Status.Unimplemented;
}
