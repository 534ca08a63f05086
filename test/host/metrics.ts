import { Status } from './abi';

type Kind = 'counter' | 'gauge' | 'histogram';
const KINDS: readonly Kind[] = ['counter', 'gauge', 'histogram'];
/** As in Envoy, an id carries its kind in the lower two bits and counts up from there. */
const KIND_BITS = 2;

interface Metric {
  readonly kind: Kind;
  value: bigint;
  readonly records: bigint[];
}

/** All metrics of the proxy: one value per name, whichever VM writes it. */
export class Metrics {
  #byName = new Map<string, Metric>();
  /** Numbers are each VM's own. */
  #ids = new WeakMap<object, Metric[]>();

  /** The id, or null for a kind that does not exist. */
  define(vm: object, kindNumber: number, name: string): number | null {
    const kind = KINDS[kindNumber];
    if (!kind) return null;
    const metric = this.#byName.get(name) ?? { kind, value: 0n, records: [] };
    this.#byName.set(name, metric);
    const ids = this.#ids.get(vm) ?? [];
    this.#ids.set(vm, ids);
    return (ids.push(metric) << KIND_BITS) | kindNumber;
  }

  increment(vm: object, id: number, offset: bigint): Status {
    const metric = this.#find(vm, id);
    if (!metric) return Status.NotFound;
    if (metric.kind === 'histogram' || (metric.kind === 'counter' && offset <= 0n)) return Status.BadArgument;
    metric.value += offset;
    return Status.Ok;
  }

  record(vm: object, id: number, value: bigint): Status {
    const metric = this.#find(vm, id);
    if (!metric) return Status.NotFound;
    if (metric.kind === 'counter') metric.value += value;
    else if (metric.kind === 'gauge') metric.value = value;
    else metric.records.push(value);
    return Status.Ok;
  }

  get(vm: object, id: number): bigint | Status {
    const metric = this.#find(vm, id);
    if (!metric) return Status.NotFound;
    return metric.kind === 'histogram' ? Status.BadArgument : metric.value;
  }

  /** Counters and gauges by name. */
  values(): Record<string, number> {
    return Object.fromEntries(
      [...this.#byName].filter(([, { kind }]) => kind !== 'histogram').map(([name, { value }]) => [name, Number(value)]),
    );
  }

  /** What was recorded into a histogram. */
  records(name: string): number[] {
    return (this.#byName.get(name)?.records ?? []).map(Number);
  }

  #find(vm: object, id: number): Metric | undefined {
    const metric = this.#ids.get(vm)?.[(id >>> KIND_BITS) - 1];
    return metric && KINDS[id & 3] === metric.kind ? metric : undefined;
  }
}
