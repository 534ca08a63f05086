import * as env from './env';
import { OUT_LONG } from './memory';
import { Status } from './status';

/** Wall clock, nanoseconds since 1970. Envoy reads it anew on each call, 0.05 to 0.5 µs. */
export function nowNanoseconds(): u64 {
  env.proxy_get_current_time_nanoseconds(OUT_LONG);
  return load<u64>(OUT_LONG);
}

/**
 * Lets the root context of the current call have `onTick` every `milliseconds` (≥ 1; 0 stops). The timer is armed again after
 * each tick, so the period is this plus the time that the tick took.
 */
export function setTickPeriod(milliseconds: u32): Status {
  return env.proxy_set_tick_period_milliseconds(milliseconds);
}
