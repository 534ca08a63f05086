import { findStream } from '../dispatch';
import { BodyStatus } from '../types';

export function proxy_on_response_body(id: u32, bytes: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  return stream !== null ? stream.onResponseBody(bytes, endOfStream) : BodyStatus.Continue;
}
