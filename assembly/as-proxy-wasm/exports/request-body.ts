import { closeBuffer, openBuffer } from '../buffers';
import { findStream } from '../dispatch';
import { BodyStatus, Buffer } from '../types';

export function proxy_on_request_body(id: u32, bytes: u32, endOfStream: bool): i32 {
  const stream = findStream(id);
  if (stream === null) return BodyStatus.Continue;
  openBuffer(Buffer.RequestBody);
  const status = stream.onRequestBody(bytes, endOfStream);
  closeBuffer();
  stream.requestBodyKept = status === BodyStatus.StopIterationAndBuffer;
  return status;
}
