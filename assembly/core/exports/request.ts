// Exports of the request path, for tests, benchmarks and the precision command: the same functions that the filter calls.

import { resetScanner, SCANNER_BYTES, scan } from '../json/members';
import { keyOf } from '../prefix/chain';
import { promptBytes, stateAt, strides } from '../prefix/prompt-chain';
import { reasonName } from '../prompt/reason';
import { Endpoint } from '../prompt/render';
import { destination, destinations, Weights } from '../routing/choose';
import { decide as decideRequest, namespace, reason } from '../routing/decide';
import { matchStrides } from '../routing/matches';
import { matchedStrides, walk, walkLinear } from '../routing/walk';
import { ENDPOINTS_MAX } from '../summary/format';
import { checkMessage, epochOf, poolNumber, sequenceOf } from '../summary/message';
import { applySections, openSections } from '../summary/reader';
import { Summary } from '../summary/summary';

let summary = new Summary();
const weights = new Weights();
const own = heap.alloc((<usize>ENDPOINTS_MAX) << 2);
memory.fill(own, 0, (<usize>ENDPOINTS_MAX) << 2);

/** A new, empty summary. */
export function summary_reset(): void {
  summary.free();
  summary = new Summary();
}

/** Checks and applies one message; returns MessageStatus, or 16 + Applied when its sections say more than Done. */
export function summary_apply(ptr: usize, length: usize, pool: usize, poolLength: usize, maxBytes: usize): u32 {
  const status = checkMessage(ptr, length, poolNumber(pool, poolLength));
  if (status != 0) return status;
  openSections(ptr, length, maxBytes);
  const applied = applySections(summary, u32.MAX_VALUE);
  if (applied != 0) return 16 + applied;
  summary.epoch = epochOf(ptr);
  summary.sequence = sequenceOf(ptr);
  return 0;
}

/** Checksum of a plane, kept (recount 0) or counted anew (1). */
export function summary_checksum(plane: u32, recount: bool): u64 {
  const matrix = summary.planes[plane];
  if (matrix === null) return 0;
  return recount ? matrix.recount() : matrix.checksum;
}

export function summary_word(plane: u32, row: u32): u64 {
  const matrix = summary.planes[plane];
  return matrix === null ? 0 : matrix.word(row);
}

/** Rows of a plane. */
export function summary_rows(plane: u32): u32 {
  const matrix = summary.planes[plane];
  return matrix === null ? 0 : matrix.rows;
}

export function scanner_bytes(): usize {
  return SCANNER_BYTES;
}

export function scanner_reset(scanner: usize): void {
  resetScanner(scanner);
}

export function scanner_scan(scanner: usize, body: usize, length: u32): u32 {
  return scan(scanner, body, length);
}

/** Decides; openLength: 0 when the body is closed, else its bytes so far. Returns the number of destinations. */
export function decide(body: usize, scanner: usize, chat: bool, openLength: u32): u32 {
  const any = decideRequest(summary, body, scanner, chat ? Endpoint.Chat : Endpoint.Completions, openLength, own, weights);
  return any ? destinations : 0;
}

export function decided_destination(i: u32): u32 {
  return destination(i);
}

export function decided_reason(): u32 {
  return reason;
}

export function decided_strides(): u32 {
  return strides;
}

export function decided_prompt_bytes(): u64 {
  return promptBytes;
}

export function decided_match(id: u32): u32 {
  return matchStrides(id);
}

/** Key of stride `index` of the last decision. */
export function decided_key(index: u32): u64 {
  return keyOf(stateAt(index), namespace);
}

/** Walks the last decision's keys over a plane; results by `walked`. */
export function walk_plane(plane: u32, mask: u64, linear: bool): void {
  const matrix = summary.planes[plane];
  if (matrix === null) return;
  if (linear) walkLinear(matrix, strides, namespace, mask);
  else walk(matrix, strides, namespace, mask);
}

export function walked(slot: u32): u32 {
  return matchedStrides(slot);
}

/** Address of a reason's name: UTF-16, length in bytes before it. */
export function reason_name(number: u32): string {
  return reasonName(number);
}
