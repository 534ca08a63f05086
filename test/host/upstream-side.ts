import type { Clusters, UpstreamRequest } from './clusters';
import { HeaderMap } from './header-map';

/** Response flag `UF`: the connection to the upstream failed. */
const CONNECTION_FAILED = 32;

/** What the router sends to the upstream, as far as it got. */
export class UpstreamSide {
  /** The endpoint that took the connection, or the last one that refused it. */
  address: string | undefined;
  attempts = 0;
  /** Response flags that it caused. */
  flags = 0;
  connected = false;
  trailers: HeaderMap | undefined;
  readonly #headers = new HeaderMap();
  #body: Uint8Array[] = [];
  #again = false;

  constructor(
    private readonly clusters: Clusters,
    private readonly cluster: string,
  ) {}

  get hasBytes(): boolean {
    return this.#body.length > 0;
  }

  /** False: nobody took the connection. */
  connect(headers: HeaderMap): boolean {
    const chosen = this.clusters.connect(this.cluster, headers);
    this.address = chosen?.endpoint;
    this.attempts = chosen?.attempts ?? 0;
    this.connected = chosen?.connected ?? false;
    if (!this.connected) this.flags = CONNECTION_FAILED;
    this.#headers.replaceAll(headers.pairs);
    return this.connected;
  }

  send(bytes: Uint8Array): void {
    if (this.#again) this.#body.push(Buffer.concat(this.#body));
    this.#again = false;
    this.#body.push(bytes);
  }

  /**
   * The filter stopped a body of which a part went on. Both keep what they hold in one buffer, the router what it may have to
   * send again, the filter what it stops, and what is let go then is the whole of it (seen on 1.37.0 and 1.40.0; not without a
   * retry policy).
   */
  sendAgain(): void {
    this.#again = true;
  }

  request(): UpstreamRequest {
    return {
      cluster: this.cluster,
      endpoint: this.address ?? '',
      attempts: this.attempts,
      headers: this.#headers.toObject(),
      body: Buffer.concat(this.#body),
      trailers: this.trailers?.toObject() ?? {},
    };
  }
}
