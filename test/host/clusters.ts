import type { HeaderInit, HeaderMap } from './header-map';

export interface ClusterOptions {
  readonly endpoints: readonly string[];
  /** The endpoint that the destination header names, else one in turn; or always one in turn. Default `override_host`. */
  readonly policy?: 'override_host' | 'round_robin';
}

export const DESTINATION_HEADER = 'x-gateway-destination-endpoint';

/** What reached an upstream. */
export interface UpstreamRequest {
  readonly cluster: string;
  readonly endpoint: string;
  /** First try is 1. */
  readonly attempts: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly trailers: Readonly<Record<string, string>>;
}

export interface UpstreamAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: HeaderInit;
  readonly body?: string | Uint8Array;
  readonly trailers?: HeaderInit;
}

/** Answers a whole request; `hold`: the test answers with `stream.respond`; `reset`: the upstream cuts it. */
export type Upstream = (request: UpstreamRequest) => UpstreamAnswer | 'hold' | 'reset';

/** As Envoy's retry policy of DESIGN §5.6: two more tries when a connection fails. */
const TRIES = 3;

/** Picks endpoints as the policy `override_host` does, with round robin in place of least request, so that tests can foresee it. */
export class Clusters {
  /** Endpoints that refuse connections. */
  readonly unreachable = new Set<string>();
  #turn = 0;

  constructor(private readonly clusters: Readonly<Record<string, ClusterOptions>>) {}

  has(name: string): boolean {
    return name in this.clusters;
  }

  get first(): string {
    return Object.keys(this.clusters)[0] ?? '';
  }

  /** The endpoint that took the connection, or the last one that refused it; null if there is none at all. */
  connect(name: string, headers: HeaderMap): { endpoint: string; attempts: number; connected: boolean } | null {
    const cluster = this.clusters[name];
    if (!cluster?.endpoints.length) return null;
    const wanted = cluster.policy === 'round_robin' ? [] : (headers.get(DESTINATION_HEADER)?.split(',') ?? []);
    const known = wanted.map((endpoint) => endpoint.trim()).filter((endpoint) => cluster.endpoints.includes(endpoint));
    let endpoint = '';
    for (let attempts = 1; attempts <= TRIES; attempts++) {
      endpoint = known[attempts - 1] ?? cluster.endpoints[this.#turn++ % cluster.endpoints.length]!;
      if (!this.unreachable.has(endpoint)) return { endpoint, attempts, connected: true };
    }
    return { endpoint, attempts: TRIES, connected: false };
  }
}
