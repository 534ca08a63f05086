import * as format from '../../assembly/core/summary/format.js';
import { hashBytes } from '../index/core.js';
import type { PlaneDelta, PlaneState } from '../index/plane.js';
import type { ProgramEntry, RenderProgram, Role } from '../templates/program.js';
import { encodeGaps, gapBytes, riceParameter } from './gaps.js';
import type { SummaryEndpoint, SummaryLoad, SummaryModel, SummaryParameters, SummaryTables } from './summary.js';

export interface SnapshotInput {
  readonly pool: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** Unix time, milliseconds. */
  readonly publishedMs: number;
  readonly tables: SummaryTables;
  readonly load: readonly SummaryLoad[];
  readonly planes: readonly PlaneState[];
}

export interface DeltaInput {
  readonly pool: string;
  readonly epoch: bigint;
  /** Sequence after this delta; it applies to sequence − 1. */
  readonly sequence: bigint;
  readonly publishedMs: number;
  readonly tables?: Partial<SummaryTables>;
  readonly load?: readonly SummaryLoad[];
  /** None of them rebuilt: that takes a snapshot. */
  readonly planes?: readonly PlaneDelta[];
}

const ROLES: Record<Role, number> = {
  begin: format.ROLE_BEGIN,
  system: format.ROLE_SYSTEM,
  user: format.ROLE_USER,
  assistant: format.ROLE_ASSISTANT,
  tool: format.ROLE_TOOL,
  developer: format.ROLE_DEVELOPER,
  end: format.ROLE_END,
};

const clamp16 = (value: number): number => Math.max(0, Math.min(0xffff, Math.round(value)));

/** Number that messages carry for their pool (format.ts). */
export function poolNumber(pool: string): number {
  return Number(BigInt.asUintN(32, hashBytes(0n, Buffer.from(pool))));
}

function section(type: number, a: number, b: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(format.SECTION_BYTES);
  head.writeUInt8(type, 0);
  head.writeUInt8(a, format.AT_SECTION_A);
  head.writeUInt16LE(b, format.AT_SECTION_B);
  head.writeUInt32LE(body.length, format.AT_SECTION_LENGTH);
  return Buffer.concat([head, body]);
}

function parametersSection(p: SummaryParameters): Buffer {
  const body = Buffer.alloc(format.PARAMETERS_BYTES);
  body.writeUInt16LE(p.blockTokens, format.AT_BLOCK_TOKENS);
  body.writeUInt16LE(p.strideBytes, format.AT_STRIDE);
  body.writeUInt8(p.enabled ? 1 : 0, format.AT_ENABLED);
  body.writeUInt32LE(p.ageLimitMs, format.AT_AGE_LIMIT);
  body.writeBigUInt64LE(p.chainSeed, format.AT_CHAIN_SEED);
  body.writeBigUInt64LE(p.namespaceSeed, format.AT_NAMESPACE_SEED);
  return section(format.SECTION_PARAMETERS, 0, 0, body);
}

function modelsSection(models: readonly SummaryModel[]): Buffer {
  const entries = models.map((model) => {
    const name = Buffer.from(model.name);
    const head = Buffer.alloc(format.MODEL_ENTRY_BYTES);
    head.writeUInt8(model.adapter ? format.MODEL_ADAPTER : format.MODEL_BASE, 0);
    head.writeUInt16LE(name.length, 2);
    return Buffer.concat([head, name]);
  });
  return section(format.SECTION_MODELS, 0, entries.length, Buffer.concat(entries));
}

function endpointsSection(endpoints: readonly SummaryEndpoint[]): Buffer {
  const entries = endpoints.map((endpoint) => {
    const texts = [endpoint.address, endpoint.name, endpoint.namespace].map((text) => Buffer.from(text).subarray(0, 255));
    const head = Buffer.alloc(format.ENDPOINT_ENTRY_BYTES);
    head.writeUInt16LE(endpoint.id, 0);
    head.writeUInt8(endpoint.ready ? format.ENDPOINT_READY : 0, 2);
    head.writeUInt8(Math.min(255, endpoint.rank), 3);
    for (const [i, text] of texts.entries()) head.writeUInt8(text.length, 4 + i);
    return Buffer.concat([head, ...texts]);
  });
  return section(format.SECTION_ENDPOINTS, 0, entries.length, Buffer.concat(entries));
}

function loadSection(load: readonly SummaryLoad[]): Buffer {
  const body = Buffer.alloc(load.length * format.LOAD_ENTRY_BYTES);
  load.forEach((entry, i) => {
    const at = i * format.LOAD_ENTRY_BYTES;
    body.writeUInt16LE(entry.id, at);
    body.writeUInt16LE(clamp16(entry.kvUsage * 0xffff), at + 2);
    body.writeUInt16LE(clamp16(entry.running), at + 4);
    body.writeUInt16LE(clamp16(entry.waiting), at + 6);
    body.writeUInt16LE(clamp16(entry.inFlight), at + 8);
    body.writeUInt16LE(clamp16(entry.ageMs), at + 10);
  });
  return section(format.SECTION_LOAD, 0, load.length, body);
}

/** The key of a program entry (format.ts, PROGRAMS). */
export function programKey(entry: Omit<ProgramEntry, 'literal' | 'content'>): number {
  return (
    (entry.system ? 1 << format.KEY_SYSTEM_BIT : 0) |
    (ROLES[entry.previous] << format.KEY_PREVIOUS_SHIFT) |
    (ROLES[entry.role] << format.KEY_ROLE_SHIFT) |
    (entry.afterUser ? 1 << format.KEY_AFTER_USER_BIT : 0) |
    (entry.last ? 1 << format.KEY_LAST_BIT : 0)
  );
}

/** Number of a variant: 0 for the default arguments. */
export function variantNumber(variant: string): bigint {
  return variant === '{}' ? 0n : hashBytes(0n, Buffer.from(variant));
}

function programsSection(programs: readonly RenderProgram[]): Buffer {
  const bodies = programs.map((program) => {
    const head = Buffer.alloc(format.PROGRAM_BYTES);
    head.writeBigUInt64LE(variantNumber(program.variant), 0);
    head.writeUInt8((program.nfc ? format.PROGRAM_NFC : 0) | (program.chat ? format.PROGRAM_CHAT : 0), 8);
    head.writeUInt16LE(program.entries.length, 10);
    head.writeUInt16LE(program.completionPrefix.length, 12);
    const entries = program.entries.map((entry) => {
      const start = Buffer.alloc(format.PROGRAM_ENTRY_BYTES);
      start.writeUInt16LE(programKey(entry), 0);
      start.writeUInt8(entry.content, 2);
      start.writeUInt16LE(entry.literal.length, 4);
      return Buffer.concat([start, entry.literal]);
    });
    return Buffer.concat([head, program.completionPrefix, ...entries]);
  });
  return section(format.SECTION_PROGRAMS, 0, programs.length, Buffer.concat(bodies));
}

function tableSections(tables: Partial<SummaryTables>): Buffer[] {
  const sections: Buffer[] = [];
  if (tables.parameters) sections.push(parametersSection(tables.parameters));
  if (tables.models) sections.push(modelsSection(tables.models));
  if (tables.programs) sections.push(programsSection(tables.programs));
  if (tables.endpoints) sections.push(endpointsSection(tables.endpoints));
  return sections;
}

function planeSection(plane: PlaneState): Buffer {
  const body = Buffer.alloc(format.PLANE_BYTES);
  body.writeUInt8(plane.kind, format.AT_PLANE_KIND);
  body.writeUInt8(plane.tier, format.AT_PLANE_TIER);
  body.writeUInt8(plane.group, format.AT_PLANE_GROUP);
  body.writeUInt8(plane.hashes, format.AT_PLANE_HASHES);
  body.writeUInt32LE(plane.rows, format.AT_PLANE_ROWS);
  body.writeBigUInt64LE(plane.rowSalt, format.AT_PLANE_SALT);
  body.writeBigUInt64LE(plane.checksum, format.AT_PLANE_CHECKSUM);
  body.writeUInt16LE(plane.weight, format.AT_PLANE_WEIGHT);
  return section(format.SECTION_PLANE, plane.plane, 0, body);
}

/** Set rows of a raw bit field, ascending, counted from `first`. */
export function setRows(bits: Uint8Array, first: number): Uint32Array {
  const rows: number[] = [];
  for (let i = 0; i < bits.length; i++) {
    for (let byte = bits[i]!; byte; byte &= byte - 1) rows.push(first + i * 8 + (31 - Math.clz32(byte & -byte)));
  }
  return Uint32Array.from(rows);
}

/** Smallest piece that holds a column's bits from `first` on; undefined when none is set. */
function columnSection(plane: number, slot: number, first: number, bits: Uint8Array): Buffer | undefined {
  const rows = setRows(bits, first);
  if (!rows.length) return undefined;
  const span = bits.length * 8;
  const parameter = riceParameter(rows, first, span);
  const gaps = gapBytes(rows, first, parameter);
  const raw = gaps >= bits.length;
  const body = Buffer.alloc(format.COLUMN_BYTES + (raw ? bits.length : gaps));
  body.writeUInt32LE(first, format.AT_COLUMN_FIRST);
  body.writeUInt32LE(span, format.AT_COLUMN_ROWS);
  body.writeUInt32LE(rows.length, format.AT_COLUMN_SET);
  body.writeUInt8(raw ? format.CODING_RAW : format.CODING_GAPS, format.AT_COLUMN_CODING);
  body.writeUInt8(raw ? 0 : parameter, format.AT_COLUMN_RICE);
  if (raw) body.set(bits, format.COLUMN_BYTES);
  else encodeGaps(rows, first, parameter, body, format.COLUMN_BYTES);
  return section(format.SECTION_COLUMN, plane, slot, body);
}

function columnSections(plane: PlaneState): Buffer[] {
  const sections: Buffer[] = [];
  for (let slot = 0; slot < format.SLOTS; slot++) {
    const column = plane.column(slot);
    for (let first = 0; column && first < plane.rows; first += format.COLUMN_ROWS_MAX) {
      const piece = columnSection(plane.plane, slot, first, column.subarray(first >>> 3, (first + format.COLUMN_ROWS_MAX) >>> 3));
      if (piece) sections.push(piece);
    }
  }
  return sections;
}

function toggleRecord(slot: number, rows: Uint32Array): Buffer {
  const parameter = riceParameter(rows, 0, rows[rows.length - 1]! + 1);
  const record = Buffer.alloc(format.TOGGLE_RECORD_BYTES + gapBytes(rows, 0, parameter));
  record.writeUInt32LE((slot | (parameter << format.TOGGLE_RICE_SHIFT) | (rows.length << format.TOGGLE_FLIPS_SHIFT)) >>> 0);
  encodeGaps(rows, 0, parameter, record, format.TOGGLE_RECORD_BYTES);
  return record;
}

function deltaSections(delta: PlaneDelta): Buffer[] {
  if (delta.rebuilt) throw new TypeError('a rebuilt plane needs a snapshot');
  const sections = delta.cleared.map((slot) => section(format.SECTION_CLEAR, delta.plane, slot, new Uint8Array()));
  const records: Buffer[] = [];
  for (const [slot, rows] of delta.toggles) {
    for (let at = 0; at < rows.length; at += format.TOGGLE_FLIPS_MAX)
      records.push(toggleRecord(slot, rows.subarray(at, at + format.TOGGLE_FLIPS_MAX)));
  }
  const checksum = Buffer.alloc(format.TOGGLES_BYTES);
  checksum.writeBigUInt64LE(delta.checksum);
  return [...sections, section(format.SECTION_TOGGLES, delta.plane, records.length, Buffer.concat([checksum, ...records]))];
}

interface Envelope {
  readonly pool: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly publishedMs: number;
}

function message(kind: number, base: bigint, part: number, parts: number, e: Envelope, sections: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(format.HEADER_BYTES), ...sections]);
  bytes.writeUInt32LE(format.MAGIC, format.AT_MAGIC);
  bytes.writeUInt16LE(format.FORMAT_VERSION, format.AT_VERSION);
  bytes.writeUInt8(kind, format.AT_KIND);
  bytes.writeBigUInt64LE(e.epoch, format.AT_EPOCH);
  bytes.writeBigUInt64LE(e.sequence, format.AT_SEQUENCE);
  bytes.writeBigUInt64LE(base, format.AT_BASE_SEQUENCE);
  bytes.writeUInt32LE(part, format.AT_PART);
  bytes.writeUInt32LE(parts, format.AT_PARTS);
  bytes.writeUInt32LE(bytes.length - format.HEADER_BYTES, format.AT_LENGTH);
  bytes.writeUInt32LE(poolNumber(e.pool), format.AT_POOL);
  bytes.writeBigUInt64LE(BigInt(e.publishedMs), format.AT_PUBLISHED);
  const head = hashBytes(0n, bytes.subarray(0, format.AT_CHECKSUM));
  bytes.writeBigUInt64LE(hashBytes(head, bytes.subarray(format.AT_PUBLISHED)), format.AT_CHECKSUM);
  return bytes;
}

/** A whole summary, in messages of at most MESSAGE_MAX_BYTES. */
export function writeSnapshot(input: SnapshotInput): Buffer[] {
  const sections = [...tableSections(input.tables), loadSection(input.load)];
  for (const plane of input.planes) sections.push(planeSection(plane), ...columnSections(plane));
  const parts: Buffer[][] = [[]];
  let room = format.MESSAGE_MAX_BYTES - format.HEADER_BYTES;
  for (const piece of sections) {
    if (piece.length > room && parts[parts.length - 1]!.length) {
      parts.push([]);
      room = format.MESSAGE_MAX_BYTES - format.HEADER_BYTES;
    }
    parts[parts.length - 1]!.push(piece);
    room -= piece.length;
  }
  return parts.map((part, i) => message(format.KIND_SNAPSHOT, 0n, i, parts.length, input, part));
}

/** A change, in one message. Longer than MESSAGE_MAX_BYTES: publish a snapshot instead. */
export function writeDelta(input: DeltaInput): Buffer {
  const sections = tableSections(input.tables ?? {});
  if (input.load) sections.push(loadSection(input.load));
  for (const plane of input.planes ?? []) sections.push(...deltaSections(plane));
  return message(format.KIND_DELTA, input.sequence - 1n, 0, 1, input, sections);
}
