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
  #ids: Metric[] = [];

  /** The id, or null for a kind that does not exist. */
  define(kindNumber: number, name: string): number | null {
    const kind = KINDS[kindNumber];
    if (!kind) return null;
    const metric = this.#byName.get(name) ?? { kind, value: 0n, records: [] };
    this.#byName.set(name, metric);
    return (this.#ids.push(metric) << KIND_BITS) | kindNumber;
  }

  increment(id: number, offset: bigint): Status {
    const metric = this.#find(id);
    if (!metric) return Status.NotFound;
    if (metric.kind === 'histogram' || (metric.kind === 'counter' && offset <= 0n)) return Status.BadArgument;
    metric.value += offset;
    return Status.Ok;
  }

  record(id: number, value: bigint): Status {
    const metric = this.#find(id);
    if (!metric) return Status.NotFound;
    if (metric.kind === 'counter') metric.value += value;
    else if (metric.kind === 'gauge') metric.value = value;
    else metric.records.push(value);
    return Status.Ok;
  }

  get(id: number): bigint | Status {
    const metric = this.#find(id);
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

  #find(id: number): Metric | undefined {
    const metric = this.#ids[(id >>> KIND_BITS) - 1];
    return metric && KINDS[id & 3] === metric.kind ? metric : undefined;
  }
}
