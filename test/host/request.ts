import type { HeaderInit } from './header-map';

export interface RequestOptions {
  /** Default GET without a body, else POST. */
  readonly method?: string;
  readonly path?: string;
  readonly headers?: HeaderInit;
  /** The whole body. Without it a GET or HEAD ends with its headers, and anything else waits for `body`. */
  readonly body?: string | Uint8Array;
  readonly trailers?: HeaderInit;
  readonly http2?: boolean;
  /** Which worker takes it; in turn by default. */
  readonly worker?: number;
  /** Name of the plugin that stands before the router; the first by default. */
  readonly plugin?: string;
  /** What the route says; the first cluster by default. */
  readonly cluster?: string;
  /** More properties, or other values, by their dotted path. */
  readonly properties?: Readonly<Record<string, string | bigint | Uint8Array>>;
  /** Bytes of one read from the client when `body` is split. Default 16 KiB. */
  readonly readBytes?: number;
  /** The last bytes carry the end, as HTTP/2 may do. Default false: the end comes alone. */
  readonly endWithBytes?: boolean;
}

/** What comes from the client at once. */
export interface Read {
  readonly bytes: Uint8Array;
  readonly end: boolean;
  readonly trailers?: HeaderInit;
}

const READ_BYTES = 16_384;

/** A whole body as the client's connection brings it: in pieces, the end alone unless it is told otherwise. */
export function readsOf(body: Uint8Array, { readBytes = READ_BYTES, endWithBytes, trailers }: RequestOptions): Read[] {
  const reads: Read[] = [];
  for (let at = 0; at < body.length; at += readBytes) reads.push({ bytes: body.subarray(at, at + readBytes), end: false });
  const last = endWithBytes || trailers ? reads.pop() : undefined;
  reads.push({ bytes: last?.bytes ?? new Uint8Array(), end: true, ...(trailers && { trailers }) });
  return reads;
}

/** The end and nothing else: it comes with what was read before it, whatever pushes back. */
export function isBareEnd(read: Read): boolean {
  return read.end && read.bytes.length === 0;
}
