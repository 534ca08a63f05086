import { findRoot } from '../dispatch';

/** The answer comes to the root that was active when the call was made, even if a stream made it. */
export function proxy_on_http_call_response(root: u32, token: u32, headers: u32, bodyBytes: u32, trailers: u32): void {
  const context = findRoot(root);
  if (context !== null) context.onHttpCallResponse(token, headers, bodyBytes, trailers);
}
