// At how many bytes Envoy stops reading a body that we hold. The limit cannot be asked for; it shows when a stream that the
// watchdog lets go goes on at once. Learnt per listener and protocol, forgotten after ten minutes. Source: DESIGN section 5.2.

import { getProperty, nowNanoseconds, propertyPath, resultLength, resultPtr, Status } from 'as-proxy-wasm';
import { hashBytes } from '../core/prefix/chain';

const PORT = propertyPath('destination.port');
const PROTOCOL = propertyPath('request.protocol');

/** Held-back bytes come this fast after a release. */
const AT_ONCE_MS: u64 = 20;
/** Below this a stall is a slow sender's. */
const BYTES_MIN: u32 = 16 << 10;
const FORGET_MS: u64 = 600000;
const KNOWN_MAX: i32 = 32;

class Stall {
  constructor(
    readonly place: u64,
    public bytes: u32,
    public learntMs: u64,
  ) {}
}

export class Stalls {
  /** Something is known: only then is a stream's place worth two host calls. */
  static any: bool = false;
  private static readonly known: Stall[] = [];

  /** Bytes at which a new stream had better be decided about; all of them when nothing is known. */
  static boundOfStream(): u32 {
    const stall = Stalls.find(placeOfStream());
    if (stall === null || stall.learntMs + FORGET_MS < milliseconds()) return u32.MAX_VALUE;
    return stall.bytes;
  }

  /**
   * A released stream of `bytes` went on; did it so at once? It stalled with the chunk that crossed the limit, and chunks are cut
   * differently each time: only what had come `before` that chunk is sure to be within the limit.
   */
  static learn(bytes: u32, before: u32, releasedMs: u64): void {
    const now = milliseconds();
    if (bytes < BYTES_MIN || now > releasedMs + AT_ONCE_MS) return;
    const bound = before < BYTES_MIN ? bytes : before;
    const place = placeOfStream();
    const stall = Stalls.find(place);
    Stalls.any = true;
    if (stall !== null) {
      stall.bytes = stall.learntMs + FORGET_MS < now ? bound : min<u32>(stall.bytes, bound);
      stall.learntMs = now;
    } else if (Stalls.known.length < KNOWN_MAX) Stalls.known.push(new Stall(place, bound, now));
  }

  private static find(place: u64): Stall | null {
    for (let i = 0; i < Stalls.known.length; i++) if (Stalls.known[i].place == place) return Stalls.known[i];
    return null;
  }
}

function milliseconds(): u64 {
  return nowNanoseconds() / 1000000;
}

/** The listener, by its port, and the protocol of the stream in whose callback we are. */
function placeOfStream(): u64 {
  let place: u64 = 0;
  if (getProperty(PORT) == Status.Ok) place = hashBytes(place, resultPtr, resultLength);
  if (getProperty(PROTOCOL) == Status.Ok) place = hashBytes(place, resultPtr, resultLength);
  return place;
}
