// One decision: body → prompt → keys → matches → destinations. The only place that knows all of it. Results stay in the modules
// that made them until the next decision of the VM.

import { memberEnd, memberStart } from '../json/members';
import { MEMBER_CACHE_SALT, MEMBER_MODEL } from '../json/names';
import { Escape, escapeStatus, unescapeInto } from '../json/text';
import { namespaceOf, textHash } from '../prefix/chain';
import { beginChain, promptBytes, stateAt, strides, tooLong } from '../prefix/prompt-chain';
import { isNull } from '../prompt/messages';
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

let text: usize = 0;
let textLength: usize = 0;

/** Reads a top-level string member, unescaped, into `text` and `textLength` (0, 0 when absent or null). Else why it cannot be read. */
function readText(body: usize, scanner: usize, member: u32): Reason {
  text = 0;
  textLength = 0;
  const start = body + <usize>memberStart(scanner, member);
  const end = body + <usize>memberEnd(scanner, member);
  if (start == body || isNull(start, end)) return Reason.Covered;
  if (load<u8>(start) != 0x22) return Reason.Json;
  text = reserveScratch(end - start + 32);
  textLength = unescapeInto(start + 1, end - 1, text) - text;
  if (escapeStatus == Escape.Ok) return Reason.Covered;
  return escapeStatus == Escape.LoneSurrogate ? Reason.Surrogate : Reason.Json;
}

/** Finds the namespace of a request, or why it has none that the pool knows. */
function findNamespace(summary: Summary, body: usize, scanner: usize): Reason {
  let adapter: u64 = 0;
  let why = readText(body, scanner, MEMBER_MODEL);
  if (why != Reason.Covered) return why;
  if (text != 0) {
    const kind = summary.modelKind(text, textLength);
    if (kind < 0) return Reason.Model;
    if (kind == MODEL_ADAPTER) adapter = textHash(text, textLength);
  }
  why = readText(body, scanner, MEMBER_CACHE_SALT);
  if (why != Reason.Covered) return why;
  namespace = namespaceOf(summary.namespaceSeed, adapter, textLength != 0 ? textHash(text, textLength) : 0);
  return Reason.Covered;
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
  const unknown = findNamespace(summary, body, scanner);
  if (unknown != Reason.Covered) return decideByLoad(summary, unknown, inFlights, weights);
  reason = render(body, scanner, endpoint, openLength, program, summary.stride, summary.chainSeed);
  if (reason == Reason.Json || reason == Reason.Surrogate) return decideByLoad(summary, reason, inFlights, weights);
  if (reason == Reason.Covered && tooLong) reason = Reason.Length;
  findMatches(summary, strides, promptBytes, namespace);
  return choose(summary, inFlights, strides > 0 ? stateAt(strides - 1) ^ namespace : 0, weights);
}
