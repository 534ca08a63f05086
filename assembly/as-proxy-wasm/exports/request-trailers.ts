import { closeBuffer, openBuffer } from '../buffers';
import { findStream } from '../dispatch';
import { Buffer, TrailersStatus } from '../types';

export function proxy_on_request_trailers(id: u32, trailers: u32): i32 {
  const stream = findStream(id);
  if (stream === null) return TrailersStatus.Continue;
  if (stream.requestBodyKept) openBuffer(Buffer.RequestBody);
  const status = stream.onRequestTrailers(trailers);
  closeBuffer();
  return status;
}
