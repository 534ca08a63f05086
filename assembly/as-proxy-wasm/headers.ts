import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { HeaderPairs } from './pairs';
import { Status } from './status';
import { HeaderMap } from './types';
import { Utf8 } from './utf8';

// Headers and trailers. A map is there from its own callback until that callback, or `continueStream`, lets it go on; then it is
// `BadArgument`. Headers that were held and that a *body* callback let go can still be written to with status `Ok`, but whether
// the upstream sees it is a race (seen on 1.37.0): change headers before the decision, never after. Names are lower case. Envoy adds pseudo headers as `:method`, `:path`, `:authority`, …

/** Value of the header as result; of several headers of one name Envoy gives the first. `NotFound` when there is none. */
export function getHeader(map: HeaderMap, name: Utf8): Status {
  expectResult();
  return takeResult(env.proxy_get_header_map_value(map, name.ptr, name.length, OUT_PTR, OUT_LENGTH));
}

/** Sets the header to this one value, whether it was there or not. */
export function replaceHeader(map: HeaderMap, name: Utf8, valuePtr: usize, valueLength: usize): Status {
  return env.proxy_replace_header_map_value(map, name.ptr, name.length, valuePtr, valueLength);
}

/** Appends a header beside those of the same name. */
export function addHeader(map: HeaderMap, name: Utf8, valuePtr: usize, valueLength: usize): Status {
  return env.proxy_add_header_map_value(map, name.ptr, name.length, valuePtr, valueLength);
}

/** Removes every header of that name; `Ok` when there was none. */
export function removeHeader(map: HeaderMap, name: Utf8): Status {
  return env.proxy_remove_header_map_value(map, name.ptr, name.length);
}

/** All headers as result; read them with a `PairsReader`. */
export function getHeaderPairs(map: HeaderMap): Status {
  expectResult();
  return takeResult(env.proxy_get_header_map_pairs(map, OUT_PTR, OUT_LENGTH));
}

/** Replaces the whole map. */
export function setHeaderPairs(map: HeaderMap, pairs: HeaderPairs): Status {
  return env.proxy_set_header_map_pairs(map, pairs.ptr, pairs.length);
}

/** Bytes of all names and values together (this is what Envoy means by the size of a map), 0 when the map is not there. */
export function headerMapBytes(map: HeaderMap): u32 {
  return env.proxy_get_header_map_size(map, OUT_WORD) === Status.Ok ? load<u32>(OUT_WORD) : 0;
}
