import { type ProxyFunction, Status } from '../abi';
import { decodePairs, decodeText, type Pairs } from '../guest-memory';
import type { TraceValue } from '../trace';
import type { Vm } from '../vm';

/** i32 parameters come as unsigned numbers, i64 as bigint. */
export type Implementation = (call: Call, ...parameters: never[]) => Status;
export type Implementations = Partial<Record<ProxyFunction, Implementation>>;

class BadMemory extends Error {}

/** One call of the module to the host: reads its arguments, keeps them for the trace, writes its results. */
export class Call {
  readonly arguments: TraceValue[] = [];
  result: TraceValue | undefined;

  constructor(readonly vm: Vm) {}

  get context() {
    return this.vm.context;
  }

  /** Notes an argument that is not bytes. */
  note<T extends TraceValue>(value: T): T {
    this.arguments.push(value);
    return value;
  }

  bytes(ptr: number, length: number): Uint8Array {
    this.#check(ptr, length);
    return this.note(this.vm.memory.bytes(ptr, length));
  }

  text(ptr: number, length: number): string {
    return decodeText(this.bytes(ptr, length));
  }

  pairs(ptr: number, length: number): Pairs {
    this.#check(ptr, length);
    const pairs = decodePairs(this.vm.memory.bytes(ptr, length));
    if (!pairs) this.vm.proxy.violation('a list of headers that Envoy cannot read, and takes for an empty one');
    this.note(JSON.stringify(pairs ?? null));
    return pairs ?? [];
  }

  /** Hands bytes over as the ABI does: room from the module, then pointer and length. */
  output(bytes: Uint8Array, outPtr: number, outLength: number): Status {
    this.#check(outPtr, 4);
    this.#check(outLength, 4);
    let ptr = 0;
    if (bytes.length) {
      const room = this.vm.allocate(bytes.length);
      if (room === null) return Status.InvalidMemoryAccess;
      ptr = room;
      this.vm.memory.write(ptr, bytes);
    }
    this.vm.memory.writeU32(outPtr, ptr);
    this.vm.memory.writeU32(outLength, bytes.length);
    this.result = bytes;
    return Status.Ok;
  }

  outputU32(value: number, out: number): Status {
    this.#check(out, 4);
    this.vm.memory.writeU32(out, value);
    this.result = value;
    return Status.Ok;
  }

  outputU64(value: bigint, out: number): Status {
    this.#check(out, 8);
    this.vm.memory.writeU64(out, value);
    this.result = value;
    return Status.Ok;
  }

  /** In strict mode the test fails; otherwise the module sees the status and that is all. */
  refuse(status: Status, why: string): Status {
    this.vm.proxy.violation(why);
    return status;
  }

  #check(ptr: number, length: number): void {
    if (!this.vm.memory.holds(ptr, length)) throw new BadMemory();
  }
}

/** The function that is given to the module. */
export function wrap(vm: Vm, name: ProxyFunction, implementation: Implementation): (...parameters: (number | bigint)[]) => number {
  return (...parameters) => {
    vm.check(name);
    const call = new Call(vm);
    let status: Status;
    try {
      status = implementation(call, ...(parameters.map((value) => (typeof value === 'number' ? value >>> 0 : value)) as never[]));
    } catch (error) {
      if (!(error instanceof BadMemory)) throw error;
      status = call.refuse(Status.InvalidMemoryAccess, `${name} got an address outside of the memory`);
    }
    const { arguments: list, result } = call;
    const context = vm.current ? vm.context.id : 0;
    vm.proxy.trace.add({ kind: 'call', vm: vm.name, context, name, arguments: list, answer: status, result });
    return status;
  };
}
