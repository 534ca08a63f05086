import { findStream } from '../dispatch';
import { TrailersStatus } from '../types';

export function proxy_on_response_trailers(id: u32, trailers: u32): i32 {
  const stream = findStream(id);
  return stream !== null ? stream.onResponseTrailers(trailers) : TrailersStatus.Continue;
}
