import type { Timer } from './clock';
import type { RootHostContext } from './context';
import { encodeText, type Pairs } from './guest-memory';
import { type HeaderInit, HeaderMap } from './header-map';
import type { ProxyProcess } from './process';

export interface HttpCallRequest {
  readonly cluster: string;
  readonly headers: Pairs;
  readonly body: Uint8Array;
  readonly trailers: Pairs;
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: HeaderInit;
  readonly body?: string | Uint8Array;
  readonly trailers?: HeaderInit;
}

/** A request that the module sent to a cluster; the test answers it (facts §8). */
export class HttpCall {
  #timer: Timer | undefined;
  /** Nothing more comes of it: answered, timed out or cancelled. */
  closed = false;

  constructor(
    private readonly proxy: ProxyProcess,
    private readonly root: RootHostContext,
    readonly token: number,
    readonly request: HttpCallRequest,
  ) {
    if (request.timeoutMs > 0) this.#timer = proxy.clock.after(request.timeoutMs, () => this.#timeout());
  }

  /** `canary`, `main`, `worker 0`, … */
  get vm(): string {
    return this.root.vm.name;
  }

  get cluster(): string {
    return this.request.cluster;
  }

  get method(): string {
    return this.header(':method') ?? '';
  }

  get path(): string {
    return this.header(':path') ?? '';
  }

  get body(): Uint8Array {
    return this.request.body;
  }

  header(name: string): string | undefined {
    return this.request.headers.find(([key]) => key === name)?.[1];
  }

  respond(answer: HttpAnswer = {}): void {
    const body = typeof answer.body === 'string' ? encodeText(answer.body) : (answer.body ?? new Uint8Array());
    const headers = new HeaderMap({ ':status': `${answer.status ?? 200}`, ...answer.headers });
    if (!headers.get('content-length')) headers.add('content-length', `${body.length}`);
    this.#deliver(headers, body, new HeaderMap(answer.trailers));
  }

  /** Nobody listens there, or the connection broke: Envoy answers in its place. */
  refuse(): void {
    const why = 'upstream connect error or disconnect/reset before headers. reset reason: connection failure';
    this.#local(503, why);
  }

  /** The answer was above 32 MiB, or the call was reset: no headers, no body. */
  fail(): void {
    this.root.callStatus = { code: 11, text: 'reset' };
    this.#deliver(new HeaderMap(), new Uint8Array(), new HeaderMap());
    this.root.callStatus = { code: 0, text: '' };
  }

  /** The context that asked is gone. */
  cancel(): void {
    this.closed = true;
    this.proxy.clock.cancel(this.#timer);
    this.proxy.forget(this);
  }

  belongsTo(root: RootHostContext): boolean {
    return this.root === root;
  }

  #timeout(): void {
    this.#local(504, 'upstream request timeout');
  }

  #local(status: number, text: string): void {
    this.respond({ status, headers: { 'content-type': 'text/plain' }, body: text });
  }

  #deliver(headers: HeaderMap, body: Uint8Array, trailers: HeaderMap): void {
    if (this.closed) return;
    this.cancel();
    const { root } = this;
    root.answer = { headers, body, trailers };
    root.vm.call(root, 'proxy_on_http_call_response', root.id, this.token, headers.count, body.length, trailers.count);
    root.answer = undefined;
    this.proxy.checkpoint();
  }
}
