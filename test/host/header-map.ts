import type { Pairs } from './guest-memory';

export type HeaderInit = Readonly<Record<string, string | readonly string[]>>;

/** Headers in order, names in lower case, several of one name allowed. */
export class HeaderMap {
  #entries: [string, string][] = [];

  constructor(init: HeaderInit = {}) {
    for (const [name, values] of Object.entries(init)) {
      for (const value of typeof values === 'string' ? [values] : values) this.add(name, value);
    }
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Bytes of names and values together: what Envoy means by the size of a map. */
  get byteSize(): number {
    return this.#entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
  }

  get pairs(): Pairs {
    return this.#entries;
  }

  /** The first of that name: Envoy gives no other to a filter. */
  get(name: string): string | undefined {
    return this.#entries.find(([key]) => key === name.toLowerCase())?.[1];
  }

  add(name: string, value: string): void {
    this.#entries.push([name.toLowerCase(), value]);
  }

  replace(name: string, value: string): void {
    const key = name.toLowerCase();
    const first = this.#entries.findIndex(([other]) => other === key);
    if (first < 0) this.add(key, value);
    else this.#entries = this.#entries.flatMap(([other, old], i) => (i === first ? [[key, value]] : other === key ? [] : [[other, old]]));
  }

  remove(name: string): void {
    this.#entries = this.#entries.filter(([key]) => key !== name.toLowerCase());
  }

  replaceAll(pairs: Pairs): void {
    this.#entries = pairs.map(([name, value]) => [name.toLowerCase(), value]);
  }

  /** Later ones of a name win; for assertions. */
  toObject(): Record<string, string> {
    return Object.fromEntries(this.#entries);
  }
}
