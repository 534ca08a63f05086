// One decision: body → prompt → keys → matches → destinations. The only place that knows all of it. Results stay in the modules
// that made them until the next decision of the VM.

import { memberEnd, memberStart } from '../json/members';
import { MEMBER_CACHE_SALT, MEMBER_MODEL } from '../json/names';
import { Escape, escapeStatus, unescapeInto } from '../json/text';
import { namespaceOf, textHash } from '../prefix/chain';
import { beginChain, promptBytes, stateAt, strides } from '../prefix/prompt-chain';
import { Reason } from '../prompt/reason';
import { Endpoint, render } from '../prompt/render';
import { reserveScratch } from '../prompt/text';
import { MODEL_ADAPTER } from '../summary/format';
import { Summary } from '../summary/summary';
import { choose, Weights } from './choose';
import { findMatches } from './matches';

/** Namespace of the last decision. */
export let namespace: u64 = 0;
/** Why there is no more credit than there is. */
export let reason: Reason = Reason.NoSummary;

/** Text of a top-level string member, unescaped: address, and `textLength`; 0 when the member is no string. */
let textLength: usize = 0;

function memberText(body: usize, scanner: usize, member: u32): usize {
  const start = body + <usize>memberStart(scanner, member);
  const end = body + <usize>memberEnd(scanner, member);
  if (start == body || load<u8>(start) != 0x22) return 0;
  const text = reserveScratch(end - start + 32);
  const stop = unescapeInto(start + 1, end - 1, text);
  if (escapeStatus != Escape.Ok) return 0;
  textLength = stop - text;
  return text;
}

/** Finds the namespace of a request; false when the pool does not serve its model. */
function findNamespace(summary: Summary, body: usize, scanner: usize): bool {
  let adapter: u64 = 0;
  const model = memberText(body, scanner, MEMBER_MODEL);
  if (model != 0) {
    const kind = summary.modelKind(model, textLength);
    if (kind < 0) return false;
    if (kind == MODEL_ADAPTER) adapter = textHash(model, textLength);
  }
  let salt: u64 = 0;
  const text = memberText(body, scanner, MEMBER_CACHE_SALT);
  if (text != 0 && textLength != 0) salt = textHash(text, textLength);
  namespace = namespaceOf(summary.namespaceSeed, adapter, salt);
  return true;
}

/** A decision for a request whose prompt is not known: by load alone. */
export function decideByLoad(summary: Summary, why: Reason, inFlights: usize, weights: Weights): bool {
  reason = why;
  namespace = 0;
  beginChain(summary.stride, summary.chainSeed);
  findMatches(summary, 0, 0, 0);
  return choose(summary, inFlights, 0, weights);
}

/**
 * A decision for the request at `body` whose members `scanner` found. openLength: 0 when the body's object is closed, else how many
 * bytes of it there are (members not seen yet count as absent). inFlights: requests in flight, u32 per endpoint id.
 * Returns whether there is a destination; then see choose.ts.
 */
export function decide(
  summary: Summary,
  body: usize,
  scanner: usize,
  endpoint: Endpoint,
  openLength: u32,
  inFlights: usize,
  weights: Weights,
): bool {
  const program = summary.program(0);
  if (program === null) return decideByLoad(summary, Reason.NoProgram, inFlights, weights);
  if (!findNamespace(summary, body, scanner)) return decideByLoad(summary, Reason.Model, inFlights, weights);
  reason = render(body, scanner, endpoint, openLength, program, summary.stride, summary.chainSeed);
  if (reason == Reason.Json || reason == Reason.Surrogate) return decideByLoad(summary, reason, inFlights, weights);
  findMatches(summary, strides, promptBytes, namespace);
  return choose(summary, inFlights, strides > 0 ? stateAt(strides - 1) ^ namespace : 0, weights);
}
