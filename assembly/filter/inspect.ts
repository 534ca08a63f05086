// The last decision of this VM, for tests and the precision command, which read it from outside. Envoy never calls these.

import { keyOf } from '../core/prefix/chain';
import { promptBytes, stateAt, strides } from '../core/prefix/prompt-chain';
import { namespace, reason } from '../core/routing/decide';
import { matchStrides } from '../core/routing/matches';

/** `Reason` of the last decision. */
export function kvane_reason(): u32 {
  return reason;
}

/** Bytes of its prompt, as far as it was rendered. */
export function kvane_prompt_bytes(): u64 {
  return promptBytes;
}

/** Strides of its prompt. */
export function kvane_strides(): u32 {
  return strides;
}

/** Key of a stride, 0-based. */
export function kvane_key(index: u32): u64 {
  return keyOf(stateAt(index), namespace);
}

/** Strides that an endpoint was believed to hold. */
export function kvane_match(endpoint: u32): u32 {
  return matchStrides(endpoint);
}
