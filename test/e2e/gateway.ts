// What kvane's scenarios need from a gateway. The same list runs on the Node host and on real Envoy; see scenarios.ts.
import type { Json } from '../envoy/bootstrap';

export const POOL = 'pool';
/** Shorter than by default: counters and news come with the tick. */
export const TICK_MS = 10;

export interface Setup {
  /** Fields of the filter's configuration. */
  readonly filter?: Json;
  readonly bufferLimitBytes?: number;
  /** A native filter removes forged destinations first. Default true. */
  readonly strip?: boolean;
  /** D and U are there too. */
  readonly broken?: boolean;
  /** The indexer never says anything. */
  readonly silent?: boolean;
}

export interface GatewayRequest {
  readonly method?: string;
  /** Default `/v1/completions`. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly http2?: boolean;
  readonly body?: Uint8Array;
  /** Of unknown length, in these pieces. */
  readonly chunks?: readonly Uint8Array[];
  readonly trailers?: Readonly<Record<string, string>>;
}

/** What a client sees, with what the upstream said that it got; what is empty is left out. */
export interface Answer {
  readonly status: number;
  /** `A`, `B`: who answered. */
  readonly endpoint?: string;
  readonly bytes?: number;
  readonly sum?: number;
  /** The header that the upstream saw: labels of the endpoints, best first. */
  readonly destinations?: readonly string[];
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface OpenStream {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<void>;
  reset(): Promise<void>;
  answer(): Promise<Answer>;
}

export type Label = 'A' | 'B' | 'D' | 'U';

/** A and B serve. With `broken`, D is there and refuses connections, and U is an endpoint of the summary that Envoy does not know. */
export interface Gateway {
  readonly endpoints: Readonly<Record<Label, string>>;
  /** The summary in every VM says from now on that this endpoint holds that prompt. */
  hold(label: Label, prompt: string): Promise<void>;
  request(request: GatewayRequest): Promise<Answer>;
  open(request: GatewayRequest): Promise<OpenStream>;
  /** Time goes on: longer than a tick, shorter than the watchdog's patience. */
  pass(): Promise<void>;
  /** kvane's counters that moved since `mark`, without prefix and pool. */
  counters(): Promise<Record<string, number>>;
  mark(): Promise<void>;
  stop(): Promise<void>;
}

/** Counters of decisions: those that are equal wherever a scenario runs. */
export const COUNTED = /^kvane\.(requests_reason=|routed|credited|watchdog_releases|arena_releases)/;

export function difference(before: Record<string, number>, now: Record<string, number>): Record<string, number> {
  const names = Object.keys(now).filter((name) => COUNTED.test(name) && now[name] !== (before[name] ?? 0));
  const short = (name: string): string =>
    name
      .replace('kvane.', '')
      .replace('requests_reason=', '')
      .replace(/_pool=.*/, '');
  return Object.fromEntries(names.sort().map((name) => [short(name), now[name]! - (before[name] ?? 0)]));
}

export function labelOf(address: string, endpoints: Readonly<Record<Label, string>>): string {
  return Object.entries(endpoints).find(([, known]) => known === address)?.[0] ?? address;
}

export function answerOf(parts: { [Key in keyof Answer]: Answer[Key] | undefined }): Answer {
  const isEmpty = (value: unknown): boolean =>
    value === undefined || (typeof value === 'object' && Object.keys(value as object).length === 0);
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => !isEmpty(value))) as unknown as Answer;
}

/** Sum of all bytes modulo 65521, as the echo servers make it. */
export function sumOf(body: Uint8Array): number {
  let total = 0;
  for (const byte of body) total += byte;
  return total % 65521;
}
