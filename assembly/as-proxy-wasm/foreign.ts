import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, takeResult } from './memory';
import { Status } from './status';
import { Utf8 } from './utf8';

/**
 * Calls a function of the proxy by name; what it returns is the result. Envoy has `clear_route_cache`, `compress`,
 * `uncompress`, `sign`, `verify_signature`, `set_envoy_filter_state`, `expr_*`, `declare_property`. `NotFound`: not there.
 */
export function callForeign(name: Utf8, argumentPtr: usize, argumentLength: usize): Status {
  // No limit: Envoy's foreign functions write to the room that they asked for without looking whether they got it.
  expectResult(usize.MAX_VALUE - 1);
  return takeResult(env.proxy_call_foreign_function(name.ptr, name.length, argumentPtr, argumentLength, OUT_PTR, OUT_LENGTH));
}
