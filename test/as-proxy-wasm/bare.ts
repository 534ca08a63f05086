import { readFileSync } from 'node:fs';

type Exports = Record<string, (...parameters: number[]) => number>;
type Imports = Record<string, (...parameters: number[]) => number>;

const modules = new Map<string, WebAssembly.Module>();

/** An instance without a host around it: imports are what the test gives, all others answer "not found". */
export class Bare {
  readonly call: Exports;
  readonly memory: WebAssembly.Memory;
  readonly imported: readonly string[];

  constructor(path: string, imports: (bare: Bare) => Imports = () => ({})) {
    const module = modules.get(path) ?? new WebAssembly.Module(readFileSync(path));
    modules.set(path, module);
    const given = imports(this);
    this.imported = WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`);
    const env = Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, given[name] ?? (() => 1)]));
    const { exports } = new WebAssembly.Instance(module, { env });
    this.call = exports as unknown as Exports;
    this.memory = exports.memory as WebAssembly.Memory;
    this.call._initialize!();
  }

  bytes(ptr: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, ptr, length);
  }

  u32(ptr: number, value: number): void {
    new DataView(this.memory.buffer).setUint32(ptr, value, true);
  }

  /** What a host does with a result: asks for room, copies, tells where. Returns the status. */
  give(bytes: Uint8Array, outPtr: number, outLength: number): number {
    let ptr = 0;
    if (bytes.length) {
      ptr = this.call.proxy_on_memory_allocate!(bytes.length)! >>> 0;
      if (!ptr) return 6;
      this.bytes(ptr, bytes.length).set(bytes);
    }
    this.u32(outPtr, ptr);
    this.u32(outLength, bytes.length);
    return 0;
  }

  /** Copies bytes into the module; for modules that export `room`. */
  put(bytes: Uint8Array): number {
    const ptr = this.call.room!(bytes.length)! >>> 0;
    this.bytes(ptr, bytes.length).set(bytes);
    return ptr;
  }
}
