import { findStream } from '../dispatch';
import { HeadersStatus } from '../types';

export function proxy_on_request_headers(id: u32, headers: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  return stream !== null ? stream.onRequestHeaders(headers, endOfStream) : HeadersStatus.Continue;
}
