import { findStream } from '../dispatch';
import { BodyStatus } from '../types';

export function proxy_on_request_body(id: u32, bytes: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  return stream !== null ? stream.onRequestBody(bytes, endOfStream) : BodyStatus.Continue;
}
