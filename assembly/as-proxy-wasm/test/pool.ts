// Streams from a pool, to see that a warmed-up VM allocates nothing per request; and many streams, to test their table.
import { Buffer, getBuffer, getHeader, HeaderMap, HeadersStatus, RootContext, registerRoot, StreamContext, Utf8 } from 'as-proxy-wasm';

export * from 'as-proxy-wasm/exports/lifecycle';
export * from 'as-proxy-wasm/exports/request-headers';

const PATH = Utf8.of(':path');
const pool: Pooled[] = [];
let pooling = true;

/** Where the heap would put a big block now: moves when something was allocated and not given back. */
export function mark(): usize {
  const block = heap.alloc(1 << 16);
  heap.free(block);
  return block;
}

class Pooled extends StreamContext {
  /** Odd ids pause: so that an answer tells whether the right object was asked. */
  onRequestHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    getHeader(HeaderMap.RequestHeaders, PATH);
    return this.id & 1 ? HeadersStatus.StopIteration : HeadersStatus.ContinueAndEndStream;
  }

  onDelete(): void {
    if (pooling) pool.push(this);
  }
}

class PoolRoot extends RootContext {
  onConfigure(configurationBytes: u32): bool {
    getBuffer(Buffer.PluginConfiguration, 0, configurationBytes);
    pooling = configurationBytes === 0;
    return true;
  }

  createStream(id: u32): StreamContext {
    if (!pool.length) return new Pooled(this);
    return pool.pop();
  }
}

registerRoot((id: u32): RootContext => new PoolRoot());
