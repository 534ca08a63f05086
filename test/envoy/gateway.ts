// What a scenario needs from a gateway. Two things are one: the Node host (`gateway-host.ts`) and a real Envoy (`gateway-envoy.ts`).

/** How the gateway is set up; one is started per setup and used by all its scenarios in turn. */
export interface Setup {
  /** Configuration of the probe. Default `A tick=50`. */
  readonly configuration?: string;
  /** Of a second plugin in the same VM, behind a listener of its own. */
  readonly second?: string;
  readonly bufferLimitBytes?: number;
  readonly pause?: boolean;
  readonly strip?: boolean;
  /** The pool has D too, which refuses connections; the fallback may pick it. */
  readonly dead?: boolean;
  /** No cluster `indexer`. */
  readonly noIndexer?: boolean;
  /** Configurations can be updated. */
  readonly updates?: boolean;
}

export interface GatewayRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly http2?: boolean;
  readonly chunks?: readonly Uint8Array[];
  /** Known length. */
  readonly body?: Uint8Array;
  readonly trailers?: Readonly<Record<string, string>>;
  /** To the listener of the second plugin. */
  readonly second?: boolean;
}

/** What a client sees, with what the upstream said that it got. */
export interface Answer {
  readonly status: number;
  /** `A`, `B`: which endpoint of the pool answered; absent: the gateway itself did. */
  readonly endpoint?: string;
  readonly bytes?: number;
  readonly sum?: number;
  /** Headers that the probe set or should have removed. */
  readonly probed?: string;
  readonly config?: string;
  readonly destination?: string;
  readonly trailers?: Readonly<Record<string, string>>;
  /** Of a local answer. */
  readonly text?: string;
}

export interface OpenRequest {
  write(bytes: Uint8Array): Promise<void>;
  end(trailers?: Readonly<Record<string, string>>): Promise<void>;
  reset(): Promise<void>;
  answer(): Promise<Answer>;
  /** Whether an answer came by now. */
  answered(): Promise<boolean>;
}

export interface Gateway {
  /** Addresses of the pool: A and B serve, D refuses connections (setup `dead`), U is not in it. */
  readonly endpoints: Readonly<Record<'A' | 'B' | 'D' | 'U', string>>;
  request(request: GatewayRequest): Promise<Answer>;
  open(request: GatewayRequest): Promise<OpenRequest>;
  /** Time goes on: ticks tick, calls are answered. */
  pass(): Promise<void>;
  /** A trapped VM may come back. */
  backOff(): Promise<void>;
  /** True: accepted, and in force for new connections. */
  update(configuration: string): Promise<boolean>;
  /** The replaced configuration is gone. */
  drained(label: string): Promise<void>;
  /** What the probe logged since `mark`, once every request that logs is over; without the prefix. */
  lines(): Promise<string[]>;
  /** Waits until the probe logged that. */
  logged(text: string): Promise<void>;
  mark(): void;
  stop(): Promise<void>;
}

export const LABELS = ['A', 'B'] as const;

/** `count` bytes that depend on their place. */
export function bytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (i * 7 + (i >> 8)) & 255);
}

/** What the probe and the echo servers compute of a body. */
export function sum(body: Uint8Array): number {
  let total = 0;
  for (const byte of body) total += byte;
  return total % 65521;
}

/** Addresses replaced by their names, so that answers of two gateways can be compared. */
export function named(text: string | undefined, endpoints: Readonly<Record<string, string>>): string | undefined {
  if (text === undefined) return undefined;
  return Object.entries(endpoints).reduce((result, [name, address]) => result.replaceAll(address, name), text);
}

/** An answer as scenarios compare it: what is empty is left out. */
export function answerOf(parts: { [Key in keyof Answer]: Answer[Key] | undefined }): Answer {
  const empty = (value: unknown) =>
    value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value as object).length);
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => !empty(value))) as unknown as Answer;
}
