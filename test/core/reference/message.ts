// Reads summary messages as format.ts draws them, knowing nothing of the writer or of core's reader. Offsets are literals on purpose.
import type { Bits } from './bloom.js';
import { hashBytes } from './chain.js';

export interface Plane {
  readonly kind: number;
  readonly tier: number;
  readonly group: number;
  readonly hashes: number;
  readonly rows: number;
  readonly salt: bigint;
  checksum: bigint;
  readonly weight: number;
  bits: Bits;
}

export interface Header {
  readonly version: number;
  readonly kind: number;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly base: bigint;
  readonly part: number;
  readonly parts: number;
  readonly pool: number;
  readonly publishedMs: number;
}

/** What the sections of messages amount to. */
export class ReferenceSummary {
  parameters: Record<string, number | bigint | boolean> = {};
  models: { kind: number; name: string }[] = [];
  endpoints = new Map<number, { ready: boolean; rank: number; address: string; name: string; namespace: string }>();
  load = new Map<number, { kv: number; running: number; waiting: number; inFlight: number; ageMs: number }>();
  programs: { variant: bigint; flags: number; prefix: string; entries: { key: number; content: number; literal: string }[] }[] = [];
  planes = new Map<number, Plane>();

  apply(message: Buffer): Header {
    if (message.readUInt32LE(0) !== 0x534e564b || message.readUInt32LE(40) !== message.length - 64) throw new Error('no message');
    const head = hashBytes(0n, message.subarray(0, 48));
    if (hashBytes(head, message.subarray(56)) !== message.readBigUInt64LE(48)) throw new Error('checksum');
    for (let at = 64; at < message.length; ) {
      const length = message.readUInt32LE(at + 4);
      if (at + 8 + length > message.length) throw new Error('section reaches past the end');
      this.section(message[at]!, message[at + 1]!, message.readUInt16LE(at + 2), message.subarray(at + 8, at + 8 + length));
      at += 8 + length;
    }
    return {
      version: message.readUInt16LE(4),
      kind: message[6]!,
      epoch: message.readBigUInt64LE(8),
      sequence: message.readBigUInt64LE(16),
      base: message.readBigUInt64LE(24),
      part: message.readUInt32LE(32),
      parts: message.readUInt32LE(36),
      pool: message.readUInt32LE(44),
      publishedMs: Number(message.readBigUInt64LE(56)),
    };
  }

  private section(type: number, a: number, b: number, body: Buffer): void {
    const readers = [this.readParameters, this.readModels, this.readEndpoints, this.readLoad, this.readPrograms];
    const planes = [this.readPlane, this.readColumn, this.readToggles, this.readClear];
    const reader = [...readers, ...planes][type - 1];
    if (!reader) throw new Error(`section ${type}`);
    reader.call(this, body, type < 6 ? b : a, b);
  }

  private readParameters(body: Buffer): void {
    this.parameters = {
      blockTokens: body.readUInt16LE(0),
      strideBytes: body.readUInt16LE(2),
      enabled: body[4] !== 0,
      ageLimitMs: body.readUInt32LE(8),
      chainSeed: body.readBigUInt64LE(12),
      namespaceSeed: body.readBigUInt64LE(20),
    };
  }

  private readModels(body: Buffer, count: number): void {
    this.models = [];
    for (let at = 0; count > 0; count--, at += 4 + body.readUInt16LE(at + 2))
      this.models.push({ kind: body[at]!, name: body.toString('utf8', at + 4, at + 4 + body.readUInt16LE(at + 2)) });
  }

  private readEndpoints(body: Buffer, count: number): void {
    this.endpoints.clear();
    for (let at = 0; count > 0; count--) {
      const end = [at + 8];
      for (let i = 0; i < 3; i++) end.push(end[i]! + body[at + 4 + i]!);
      const [address, name, namespace] = [0, 1, 2].map((i) => body.toString('utf8', end[i], end[i + 1])) as [string, string, string];
      this.endpoints.set(body.readUInt16LE(at), { ready: (body[at + 2]! & 1) === 1, rank: body[at + 3]!, address, name, namespace });
      at = end[3]!;
    }
  }

  private readLoad(body: Buffer, count: number): void {
    for (let at = 0; at < count * 12; at += 12) {
      const [kv, running, waiting, inFlight, ageMs] = [2, 4, 6, 8, 10].map((i) => body.readUInt16LE(at + i)) as [
        number,
        number,
        number,
        number,
        number,
      ];
      this.load.set(body.readUInt16LE(at), { kv, running, waiting, inFlight, ageMs });
    }
  }

  private readPrograms(body: Buffer, count: number): void {
    this.programs = [];
    for (let at = 0; count > 0; count--) {
      const prefixEnd = at + 14 + body.readUInt16LE(at + 12);
      const program = {
        variant: body.readBigUInt64LE(at),
        flags: body[at + 8]!,
        prefix: body.toString('utf8', at + 14, prefixEnd),
        entries: [],
      };
      const entries: { key: number; content: number; literal: string }[] = program.entries;
      let left = body.readUInt16LE(at + 10);
      for (at = prefixEnd; left > 0; left--, at += 6 + body.readUInt16LE(at + 4))
        entries.push({
          key: body.readUInt16LE(at),
          content: body[at + 2]!,
          literal: body.toString('utf8', at + 6, at + 6 + body.readUInt16LE(at + 4)),
        });
      this.programs.push(program);
    }
  }

  private readPlane(body: Buffer, number: number): void {
    this.planes.set(number, {
      kind: body[0]!,
      tier: body[1]!,
      group: body[2]!,
      hashes: body[3]!,
      rows: body.readUInt32LE(4),
      salt: body.readBigUInt64LE(8),
      checksum: body.readBigUInt64LE(16),
      weight: body.readUInt16LE(24),
      bits: new Map(),
    });
  }

  private readColumn(body: Buffer, number: number, slot: number): void {
    const [first, rows, set] = [0, 4, 8].map((at) => body.readUInt32LE(at)) as [number, number, number];
    const bits = this.bitsOf(number, slot);
    if (body[12] === 0) {
      for (let r = 0; r < rows; r++) if ((body[16 + (r >> 3)]! >> (r & 7)) & 1) bits.add(first + r);
    } else for (const row of gaps(body, 16, set, body[13]!).rows) bits.add(first + row);
  }

  private readToggles(body: Buffer, number: number, records: number): void {
    const plane = this.planes.get(number)!;
    plane.checksum = body.readBigUInt64LE(0);
    for (let at = 8; records > 0; records--) {
      const head = body.readUInt32LE(at);
      const bits = this.bitsOf(number, head % 64);
      const { rows, end } = gaps(body, at + 4, Math.floor(head / 2048), Math.floor(head / 64) % 32);
      for (const row of rows) if (!bits.delete(row)) bits.add(row);
      at = end;
    }
  }

  private readClear(_: Buffer, number: number, slot: number): void {
    this.bitsOf(number, slot).clear();
  }

  private bitsOf(plane: number, slot: number): Set<number> {
    const { bits } = this.planes.get(plane)!;
    let set = bits.get(slot);
    if (!set) bits.set(slot, (set = new Set()));
    return set;
  }
}

/** Rice-coded gaps, bit by bit. */
function gaps(body: Buffer, at: number, count: number, parameter: number): { rows: number[]; end: number } {
  let bit = at * 8;
  const next = (): number => (body[bit >> 3]! >> (bit++ & 7)) & 1;
  const rows: number[] = [];
  for (let row = -1; count > 0; count--) {
    let gap = 0;
    while (next()) gap++;
    gap *= 2 ** parameter;
    for (let i = 0; i < parameter; i++) gap += next() * 2 ** i;
    row += gap + 1;
    rows.push(row);
  }
  return { rows, end: Math.ceil(bit / 8) };
}
