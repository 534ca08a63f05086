// Applies messages to a summary. A message was checked (message.ts) before it comes here; its sections are still taken for
// hostile: every length and number is checked before use, nothing is read outside the message, nothing is allocated that the
// limit does not allow. Source: format.ts.

import { hashBytes } from '../prefix/chain';
import { programLength, readProgram } from '../prompt/program';
import { bitsEnd, openBits, overrun, readGap } from './bits';
import * as format from './format';
import { Matrix, matrixBytes } from './matrix';
import { kindOfMessage } from './message';
import { Summary } from './summary';

export const enum Applied {
  /** All sections applied. */
  Done,
  /** The budget is used up: call `applySections` again. */
  Paused,
  /** A section says what cannot be: the summary is no longer to be trusted. */
  Malformed,
  /** A plane's checksum is not what the indexer says: bits have drifted. */
  Drifted,
}

let at: usize = 0;
let end: usize = 0;
let limitBytes: usize = 0;
/** Bits may be defined (snapshot), or else only changed (delta). */
let defining: bool = false;

/** Begins with the sections of a checked message. maxBytes: limit of the summary's matrices. */
export function openSections(message: usize, length: usize, maxBytes: usize): void {
  resumeSections(message, length, <usize>format.HEADER_BYTES, maxBytes);
}

/** Where the next section begins, as offset from `message`, to go on later with `resumeSections`. */
export function sectionsOffset(message: usize): usize {
  return at - message;
}

export function resumeSections(message: usize, length: usize, offset: usize, maxBytes: usize): void {
  at = message + offset;
  end = message + length;
  limitBytes = maxBytes;
  defining = kindOfMessage(message) == format.KIND_SNAPSHOT;
}

let work: u32 = 0;

/** Applies sections until they end or about `budget` bits were set (a bit costs a few nanoseconds). */
export function applySections(summary: Summary, budget: u32): Applied {
  work = 0;
  while (at < end) {
    if (work > budget) return Applied.Paused;
    if (end - at < <usize>format.SECTION_BYTES) return Applied.Malformed;
    const body = at + <usize>format.SECTION_BYTES;
    const length = <usize>load<u32>(at, format.AT_SECTION_LENGTH);
    if (length > end - body) return Applied.Malformed;
    const status = applySection(summary, at, body, body + length);
    if (status != Applied.Done) return status;
    at = body + length;
  }
  return Applied.Done;
}

function applySection(summary: Summary, head: usize, body: usize, stop: usize): Applied {
  const a = <u32>load<u8>(head, format.AT_SECTION_A);
  const b = <u32>load<u16>(head, format.AT_SECTION_B);
  switch (<i32>load<u8>(head)) {
    case format.SECTION_PARAMETERS:
      return parameters(summary, body, stop);
    case format.SECTION_MODELS:
      return models(summary, body, stop, b);
    case format.SECTION_ENDPOINTS:
      return endpoints(summary, body, stop, b);
    case format.SECTION_LOAD:
      return loads(summary, body, stop, b);
    case format.SECTION_PROGRAMS:
      return programs(summary, body, stop, b);
    case format.SECTION_PLANE:
      return defining ? plane(summary, body, stop, a) : Applied.Malformed;
    case format.SECTION_COLUMN:
      return defining ? column(summary, body, stop, a, b) : Applied.Malformed;
    case format.SECTION_TOGGLES:
      return defining ? Applied.Malformed : toggles(summary, body, stop, a, b);
    case format.SECTION_CLEAR:
      return defining ? Applied.Malformed : clear(summary, a, b);
  }
  return Applied.Malformed;
}

function parameters(summary: Summary, body: usize, stop: usize): Applied {
  if (stop - body < <usize>format.PARAMETERS_BYTES) return Applied.Malformed;
  const stride = <u32>load<u16>(body, format.AT_STRIDE);
  if (stride == 0 || (stride & 7) != 0) return Applied.Malformed;
  summary.blockTokens = <u32>load<u16>(body, format.AT_BLOCK_TOKENS);
  summary.stride = stride;
  summary.enabled = load<u8>(body, format.AT_ENABLED) != 0;
  summary.ageLimitMs = load<u32>(body, format.AT_AGE_LIMIT);
  summary.chainSeed = load<u64>(body, format.AT_CHAIN_SEED);
  summary.namespaceSeed = load<u64>(body, format.AT_NAMESPACE_SEED);
  return Applied.Done;
}

function models(summary: Summary, body: usize, stop: usize, count: u32): Applied {
  let ptr = body;
  for (let i: u32 = 0; i < count; i++) {
    if (stop - ptr < <usize>format.MODEL_ENTRY_BYTES) return Applied.Malformed;
    const size = <usize>format.MODEL_ENTRY_BYTES + <usize>load<u16>(ptr, 2);
    if (size > stop - ptr) return Applied.Malformed;
    ptr += size;
  }
  summary.setModels(copy(body, ptr - body), ptr - body);
  return Applied.Done;
}

function copy(ptr: usize, length: usize): usize {
  const target = heap.alloc(length + 16);
  memory.copy(target, ptr, length);
  return target;
}

function endpoints(summary: Summary, body: usize, stop: usize, count: u32): Applied {
  let ptr = body;
  for (let i: u32 = 0; i < count; i++) {
    if (stop - ptr < <usize>format.ENDPOINT_ENTRY_BYTES) return Applied.Malformed;
    if (<u32>load<u16>(ptr) >= <u32>format.ENDPOINTS_MAX) return Applied.Malformed;
    const size = <usize>format.ENDPOINT_ENTRY_BYTES + <usize>load<u8>(ptr, 4) + <usize>load<u8>(ptr, 5) + <usize>load<u8>(ptr, 6);
    if (size > stop - ptr) return Applied.Malformed;
    ptr += size;
  }
  const texts = copy(body, ptr - body);
  summary.resetEndpoints(texts);
  ptr = texts;
  for (let i: u32 = 0; i < count; i++) {
    const id = <u32>load<u16>(ptr);
    const endpoint = summary.endpoint(id);
    endpoint.present = 1;
    endpoint.flags = load<u8>(ptr, 2);
    endpoint.rank = load<u8>(ptr, 3);
    endpoint.addressLength = load<u8>(ptr, 4);
    endpoint.nameLength = load<u8>(ptr, 5);
    endpoint.namespaceLength = load<u8>(ptr, 6);
    endpoint.address = ptr + <usize>format.ENDPOINT_ENTRY_BYTES;
    endpoint.name = endpoint.address + <usize>endpoint.addressLength;
    endpoint.namespace = endpoint.name + <usize>endpoint.nameLength;
    ptr = endpoint.namespace + <usize>endpoint.namespaceLength;
    const hash = hashBytes(0, endpoint.address, <usize>endpoint.addressLength);
    if (hash != endpoint.addressHash) {
      endpoint.addressHash = hash;
      endpoint.kvUsage = 0;
      endpoint.running = 0;
      endpoint.waiting = 0;
      endpoint.inFlight = 0;
    }
    summary.endpointLimit = max<u32>(summary.endpointLimit, id + 1);
  }
  return Applied.Done;
}

function loads(summary: Summary, body: usize, stop: usize, count: u32): Applied {
  if (<usize>count * <usize>format.LOAD_ENTRY_BYTES > stop - body) return Applied.Malformed;
  for (let i: u32 = 0; i < count; i++) {
    const ptr = body + <usize>i * <usize>format.LOAD_ENTRY_BYTES;
    const id = <u32>load<u16>(ptr);
    if (id >= <u32>format.ENDPOINTS_MAX) return Applied.Malformed;
    const endpoint = summary.endpoint(id);
    endpoint.kvUsage = load<u16>(ptr, 2);
    endpoint.running = load<u16>(ptr, 4);
    endpoint.waiting = load<u16>(ptr, 6);
    endpoint.inFlight = load<u16>(ptr, 8);
  }
  return Applied.Done;
}

function programs(summary: Summary, body: usize, stop: usize, count: u32): Applied {
  let ptr = body;
  for (let i: u32 = 0; i < count; i++) {
    const length = programLength(ptr, stop);
    if (length == 0) return Applied.Malformed;
    ptr += length;
  }
  summary.resetPrograms();
  ptr = body;
  for (let i: u32 = 0; i < count; i++) {
    const length = programLength(ptr, stop);
    summary.programs.push(readProgram(ptr, length));
    ptr += length;
  }
  return Applied.Done;
}

function plane(summary: Summary, body: usize, stop: usize, number: u32): Applied {
  if (stop - body < <usize>format.PLANE_BYTES || number >= <u32>format.PLANES_MAX) return Applied.Malformed;
  const rows = load<u32>(body, format.AT_PLANE_ROWS);
  const hashes = <u32>load<u8>(body, format.AT_PLANE_HASHES);
  const group = <u32>load<u8>(body, format.AT_PLANE_GROUP);
  if (rows == 0 || (rows & 63) != 0 || hashes == 0 || hashes > 16 || (group + 1) * <u32>format.SLOTS > <u32>format.ENDPOINTS_MAX)
    return Applied.Malformed;
  const old = summary.planes[number];
  if (old !== null) summary.matrixBytes -= matrixBytes(old.rows);
  summary.setPlane(number, null);
  if (<u64>rows * 8 + <u64>summary.matrixBytes > <u64>limitBytes) {
    summary.incomplete = true;
    return Applied.Done;
  }
  const matrix = Matrix.create(rows);
  matrix.kind = load<u8>(body, format.AT_PLANE_KIND);
  matrix.tier = load<u8>(body, format.AT_PLANE_TIER);
  matrix.group = group;
  matrix.hashes = hashes;
  matrix.salt = load<u64>(body, format.AT_PLANE_SALT);
  matrix.checksum = load<u64>(body, format.AT_PLANE_CHECKSUM);
  matrix.weight = load<u16>(body, format.AT_PLANE_WEIGHT);
  summary.setPlane(number, matrix);
  summary.matrixBytes += matrixBytes(rows);
  work += rows >> 3;
  return Applied.Done;
}

function column(summary: Summary, body: usize, stop: usize, number: u32, slot: u32): Applied {
  if (stop - body < <usize>format.COLUMN_BYTES || number >= <u32>format.PLANES_MAX || slot >= <u32>format.SLOTS) return Applied.Malformed;
  const matrix = summary.planes[number];
  if (matrix === null) return Applied.Done;
  const first = load<u32>(body, format.AT_COLUMN_FIRST);
  const rows = load<u32>(body, format.AT_COLUMN_ROWS);
  const set = load<u32>(body, format.AT_COLUMN_SET);
  if (<u64>first + <u64>rows > <u64>matrix.rows || set > rows) return Applied.Malformed;
  const bits = body + <usize>format.COLUMN_BYTES;
  work += set;
  if (<i32>load<u8>(body, format.AT_COLUMN_CODING) == format.CODING_RAW) return rawColumn(matrix, bits, stop, first, rows, slot);
  const parameter = <u64>load<u8>(body, format.AT_COLUMN_RICE);
  if (parameter > 31) return Applied.Malformed;
  openBits(bits, stop);
  let row = <u64>first;
  for (let i: u32 = 0; i < set; i++) {
    row += <u64>readGap(parameter);
    if (overrun || row >= <u64>first + <u64>rows) return Applied.Malformed;
    matrix.set(<u32>row, slot);
    row++;
  }
  return Applied.Done;
}

function rawColumn(matrix: Matrix, bits: usize, stop: usize, first: u32, rows: u32, slot: u32): Applied {
  if ((<usize>rows + 7) >> 3 > stop - bits) return Applied.Malformed;
  for (let i: u32 = 0; i < rows; i += 8) {
    let byte = <u32>load<u8>(bits + (<usize>i >> 3));
    while (byte != 0) {
      const row = i + ctz<u32>(byte);
      if (row < rows) matrix.set(first + row, slot);
      byte &= byte - 1;
    }
  }
  return Applied.Done;
}

function toggles(summary: Summary, body: usize, stop: usize, number: u32, records: u32): Applied {
  if (stop - body < <usize>format.TOGGLES_BYTES || number >= <u32>format.PLANES_MAX) return Applied.Malformed;
  const matrix = summary.planes[number];
  if (matrix === null) return Applied.Done;
  let ptr = body + <usize>format.TOGGLES_BYTES;
  for (let i: u32 = 0; i < records; i++) {
    if (stop - ptr < <usize>format.TOGGLE_RECORD_BYTES) return Applied.Malformed;
    const head = load<u32>(ptr);
    const slot = head & 63;
    const parameter = <u64>((head >> format.TOGGLE_RICE_SHIFT) & 31);
    const flips = head >> format.TOGGLE_FLIPS_SHIFT;
    openBits(ptr + <usize>format.TOGGLE_RECORD_BYTES, stop);
    let row: u64 = 0;
    for (let j: u32 = 0; j < flips; j++) {
      row += <u64>readGap(parameter);
      if (overrun || row >= <u64>matrix.rows) return Applied.Malformed;
      matrix.toggle(<u32>row, slot);
      row++;
    }
    ptr = bitsEnd();
  }
  return matrix.checksum == load<u64>(body) ? Applied.Done : Applied.Drifted;
}

function clear(summary: Summary, number: u32, slot: u32): Applied {
  if (number >= <u32>format.PLANES_MAX || slot >= <u32>format.SLOTS) return Applied.Malformed;
  const matrix = summary.planes[number];
  if (matrix !== null) matrix.clear(slot);
  return Applied.Done;
}
