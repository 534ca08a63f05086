import * as env from './env';
import { OUT_WORD } from './memory';
import { HeaderPairs } from './pairs';
import { Status } from './status';
import { Utf8 } from './utf8';

/** Token of the last call that `httpCall` started; `onHttpCallResponse` brings it back. */
export let httpCallToken: u32 = 0;

/**
 * Sends one request to a cluster of the proxy. `headers` must have `:method`, `:path` and `:authority`. The whole answer, at
 * most 32 MiB, comes to `onHttpCallResponse` of the *root* context, whoever called. Seen there on Envoy:
 * - connection refused or reset: a local answer with `:status` 503; no answer within `timeoutMilliseconds` (0: for ever): 504;
 *   so trust an answer by a header of your own, not by its status alone;
 * - answer too big: no headers and no body.
 * `BadArgument` at once when the cluster is missing or the headers are incomplete. Calls of a canary are never answered.
 */
export function httpCall(
  cluster: Utf8,
  headers: HeaderPairs,
  bodyPtr: usize,
  bodyLength: usize,
  timeoutMilliseconds: u32,
  trailers: HeaderPairs | null = null,
): Status {
  const status: Status = env.proxy_http_call(
    cluster.ptr,
    cluster.length,
    headers.ptr,
    headers.length,
    bodyPtr,
    bodyLength,
    trailers ? trailers.ptr : 0,
    trailers ? trailers.length : 0,
    timeoutMilliseconds,
    OUT_WORD,
  );
  httpCallToken = load<u32>(OUT_WORD);
  return status;
}
