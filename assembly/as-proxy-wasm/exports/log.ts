import { findStream } from '../dispatch';

export function proxy_on_log(id: u32): void {
  const stream = findStream(id);
  if (stream !== null) stream.onLog();
}
