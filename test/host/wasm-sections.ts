import { HostError } from './errors';

// Just enough of the binary format to see what JavaScript's API hides: signatures of imports, and the start section.

export interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  /** Parameters and results as one letter each: i = i32, l = i64, f = f32, d = f64, v = v128, ? = anything else. */
  readonly parameters: string;
  readonly results: string;
}

export interface Sections {
  readonly functions: readonly ImportedFunction[];
  /** Imports that are not functions. */
  readonly others: readonly string[];
  readonly hasStart: boolean;
}

const TYPE = 1;
const IMPORT = 2;
const START = 8;
const LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'l', 125: 'f', 124: 'd', 123: 'v' };

class Reader {
  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
  ) {}

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new HostError('MODULE', 'the module ends in the middle of a section');
    return byte;
  }

  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  name(): string {
    const length = this.unsigned();
    return new TextDecoder().decode(this.bytes.subarray(this.at, (this.at += length)));
  }

  letters(): string {
    let text = '';
    for (let left = this.unsigned(); left > 0; left--) text += LETTERS[this.byte()] ?? '?';
    return text;
  }

  /** Minimum and maximum of a memory or table. */
  limits(): void {
    if (this.byte() & 1) this.unsigned();
    this.unsigned();
  }
}

export function readSections(bytes: Uint8Array): Sections {
  const types: { parameters: string; results: string }[] = [];
  const functions: ImportedFunction[] = [];
  const others: string[] = [];
  let hasStart = false;
  const reader = new Reader(bytes, 8);
  while (!reader.done) {
    const id = reader.byte();
    const end = reader.unsigned() + reader.at;
    if (id === TYPE) {
      for (let left = reader.unsigned(); left > 0; left--) {
        if (reader.byte() !== 0x60) throw new HostError('MODULE', 'a type that is not a function type');
        types.push({ parameters: reader.letters(), results: reader.letters() });
      }
    }
    if (id === IMPORT) {
      for (let left = reader.unsigned(); left > 0; left--) {
        const module = reader.name();
        const name = reader.name();
        const kind = reader.byte();
        if (kind === 0) functions.push({ module, name, ...types[reader.unsigned()]! });
        else others.push(`${module}.${name}`);
        if (kind === 1) reader.byte();
        if (kind === 1 || kind === 2) reader.limits();
        if (kind === 3) reader.at += 2;
      }
    }
    if (id === START) hasStart = true;
    reader.at = end;
  }
  return { functions, others, hasStart };
}
