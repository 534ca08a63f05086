import { Status } from './abi';

interface Value {
  readonly bytes: Uint8Array;
  readonly cas: number;
}

/** The process-wide map behind `proxy_*_shared_data` (proxy-wasm-cpp-host src/shared_data.cc) and the shared queues. */
export class SharedData {
  #maps = new Map<string, Map<string, Value>>();
  #lastCas = 0;
  #queues: { vmId: string; name: string; items: Uint8Array[]; ready: () => void }[] = [];

  get(vmId: string, key: string): Value | undefined {
    return this.#maps.get(vmId)?.get(key);
  }

  /** On an absent key every cas wins, and so does cas 0 always. */
  set(vmId: string, key: string, bytes: Uint8Array, cas: number): Status {
    const map = this.#maps.get(vmId) ?? new Map<string, Value>();
    this.#maps.set(vmId, map);
    const old = map.get(key);
    if (old && cas !== 0 && cas !== old.cas) return Status.CasMismatch;
    map.set(key, { bytes, cas: ++this.#lastCas });
    return Status.Ok;
  }

  keys(vmId: string): string[] {
    return [...(this.#maps.get(vmId)?.keys() ?? [])];
  }

  /** Bytes that all values of the VM id take. */
  byteSize(vmId: string): number {
    return [...(this.#maps.get(vmId)?.values() ?? [])].reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** The last one to register is woken. */
  registerQueue(vmId: string, name: string, ready: () => void): number {
    const known = this.resolveQueue(vmId, name);
    if (known) this.#queues[known - 1]!.ready = ready;
    return known || this.#queues.push({ vmId, name, items: [], ready });
  }

  resolveQueue(vmId: string, name: string): number {
    return this.#queues.findIndex((queue) => queue.vmId === vmId && queue.name === name) + 1;
  }

  enqueue(token: number, bytes: Uint8Array): Status {
    const queue = this.#queues[token - 1];
    if (!queue) return Status.NotFound;
    queue.items.push(bytes);
    queue.ready();
    return Status.Ok;
  }

  dequeue(token: number): Uint8Array | Status {
    const queue = this.#queues[token - 1];
    return queue ? (queue.items.shift() ?? Status.Empty) : Status.NotFound;
  }
}
