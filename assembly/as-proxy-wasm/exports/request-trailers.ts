import { findStream } from '../dispatch';
import { TrailersStatus } from '../types';

export function proxy_on_request_trailers(id: u32, trailers: u32): i32 {
  const stream = findStream(id);
  return stream !== null ? stream.onRequestTrailers(trailers) : TrailersStatus.Continue;
}
