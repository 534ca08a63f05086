import { statusName } from './abi';

export type TraceValue = string | number | bigint | Uint8Array;

/** A callback into the module, or a call of the module to the host. */
export interface TraceEntry {
  readonly kind: 'callback' | 'call';
  /** `canary`, `main`, `worker 0`, … */
  readonly vm: string;
  /** The context that it counts for. */
  readonly context: number;
  readonly name: string;
  readonly arguments: readonly TraceValue[];
  /** Of a call: its status. Of a callback: what it answered, undefined for nothing. */
  readonly answer: number | undefined;
  /** What a call gave back. */
  readonly result?: TraceValue | undefined;
}

/** Everything that crossed the border, in the order of its beginning: so lists read from top to bottom. */
export class Trace {
  #entries: TraceEntry[] = [];

  /** `keeping` false: nothing is kept, for long runs. */
  constructor(private readonly keeping: boolean) {}

  /** Returns what `answered` wants. */
  add(entry: TraceEntry): TraceEntry {
    if (this.keeping) this.#entries.push(entry);
    return entry;
  }

  /** The callback that was added when it began has ended. */
  answered(entry: TraceEntry, answer: number | undefined): void {
    const at = this.#entries.lastIndexOf(entry);
    if (at >= 0) this.#entries[at] = { ...entry, answer };
  }

  /** Takes what was noted since the last time. */
  take(): TraceEntry[] {
    return this.#entries.splice(0);
  }
}

/** `proxy_get_header_map_value(RequestHeaders, ":path") → Ok "/v1"`; a callback begins with `>`. */
export function formatEntry(entry: TraceEntry): string {
  const call = `${entry.name}(${entry.arguments.map(formatValue).join(', ')})`;
  if (entry.kind === 'callback') return `> ${call}${entry.answer === undefined ? '' : ` = ${entry.answer}`}`;
  const result = entry.result === undefined ? '' : ` ${formatValue(entry.result)}`;
  return `${call} → ${statusName(entry.answer ?? 0)}${result}`;
}

const SHOWN_BYTES = 80;
const strict = new TextDecoder('utf-8', { fatal: true });

function formatValue(value: TraceValue): string {
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array)) return `${value}`;
  if (value.length <= SHOWN_BYTES) {
    try {
      return JSON.stringify(strict.decode(value));
    } catch {
      // Not text: shown by size.
    }
  }
  return `<${value.length} bytes>`;
}
