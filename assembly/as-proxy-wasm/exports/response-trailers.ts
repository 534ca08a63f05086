import { closeBuffer, openBuffer } from '../buffers';
import { findStream } from '../dispatch';
import { Buffer, TrailersStatus } from '../types';

export function proxy_on_response_trailers(id: u32, trailers: u32): i32 {
  const stream = findStream(id);
  if (stream === null) return TrailersStatus.Continue;
  if (stream.responseBodyKept) openBuffer(Buffer.ResponseBody);
  const status = stream.onResponseTrailers(trailers);
  closeBuffer();
  return status;
}
