import { BodyAnswer, HeadersAnswer } from './abi';
import type { Clusters, Upstream, UpstreamAnswer, UpstreamRequest } from './clusters';
import type { LocalResponse, RootHostContext } from './context';
import { HostError } from './errors';
import { encodeText } from './guest-memory';
import { HalfStream, type HalfStreamHooks } from './half-stream';
import { type HeaderInit, HeaderMap } from './header-map';
import { isBareEnd, type Read, type RequestOptions, readsOf } from './request';
import { type StreamFacts, StreamHostContext } from './stream-context';
import { UpstreamSide } from './upstream-side';

/** What the client got, and what reached the upstream. */
export interface StreamResult {
  /** `open`: nothing decided; `held`: the filter holds the request; `stalled`: held, above the buffer limit, and no longer read. */
  readonly state: 'open' | 'held' | 'stalled' | 'done' | 'reset';
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly trailers: Readonly<Record<string, string>>;
  /** Who answered: the upstream, or the proxy in its place. */
  readonly from: 'upstream' | 'proxy' | undefined;
  /** As far as it got; undefined while the headers are held. */
  readonly upstream: UpstreamRequest | undefined;
}

export interface StreamSetting {
  readonly root: RootHostContext | undefined;
  readonly clusters: Clusters;
  readonly upstream: Upstream;
  readonly limitBytes: number;
  /** The native filter before ours that removes a forged destination header. */
  readonly strip: boolean;
  /** The VM is dead and its back-off lasts: answered with 503 at once. */
  readonly dead: boolean;
  readonly onStart: (stream: Stream) => void;
  readonly onEnd: (stream: Stream) => void;
}

const EMPTY = new Uint8Array();
/** One request on its way through the filter, and its answer on the way back. */
export class Stream implements StreamFacts {
  readonly request: HalfStream;
  readonly response: HalfStream;
  readonly requestHeaders: HeaderMap;
  requestTrailers: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  logging = false;
  readonly cluster: string;
  readonly properties: Readonly<Record<string, string | bigint | Uint8Array>>;

  readonly #context: StreamHostContext | undefined;
  #reads: Read[] = [];
  #reading = false;
  #state: 'open' | 'done' | 'reset' = 'open';
  #from: 'upstream' | 'proxy' | undefined;
  readonly #upstream: UpstreamSide;
  #answered = false;
  #client = { headers: new HeaderMap(), body: [] as Uint8Array[], trailers: new HeaderMap(), started: false };

  constructor(
    options: RequestOptions,
    private readonly setting: StreamSetting,
  ) {
    const { body, method = body === undefined ? 'GET' : 'POST' } = options;
    this.cluster = options.cluster ?? setting.clusters.first;
    this.#upstream = new UpstreamSide(setting.clusters, this.cluster);
    this.properties = options.properties ?? {};
    this.requestHeaders = new HeaderMap({ ':method': method, ':path': options.path ?? '/', ':authority': 'test', ':scheme': 'http' });
    for (const [name, value] of new HeaderMap(options.headers).pairs) this.requestHeaders.add(name, value);
    if (setting.strip) this.requestHeaders.remove('x-gateway-destination-endpoint');
    this.request = new HalfStream(this.#requestHooks(), setting.limitBytes);
    this.response = new HalfStream(this.#responseHooks(), setting.limitBytes);
    const { root } = setting;
    if (root && !setting.dead) {
      this.#context = new StreamHostContext(root, root.vm.nextContextId(), this);
      root.vm.contexts.set(this.#context.id, this.#context);
    }
    const whole = typeof body === 'string' ? encodeText(body) : body;
    if (whole && !options.trailers && !options.http2) this.requestHeaders.replace('content-length', `${whole.length}`);
    const ends = whole ? whole.length === 0 && !options.trailers : (method === 'GET' || method === 'HEAD') && !options.trailers;
    setting.onStart(this);
    if (setting.dead) this.vmFailed();
    if (this.#state !== 'open') return;
    this.#start(ends);
    if (whole && !ends) {
      this.#reads = readsOf(whole, options);
      this.#pump();
    } else if (options.trailers) this.trailers(options.trailers);
  }

  /** Bytes as one read from the client; `end`: no more will come. */
  body(bytes: string | Uint8Array, end = false): this {
    return this.#read({ bytes: typeof bytes === 'string' ? encodeText(bytes) : bytes, end });
  }

  /** The end of the body, with trailers. */
  trailers(trailers: HeaderInit): this {
    return this.#read({ bytes: EMPTY, end: true, trailers });
  }

  /** The client goes away. */
  reset(): this {
    this.#finish('reset');
    return this.#checked();
  }

  /** Answers in place of an upstream that holds. With `end: false`, `event` and `endResponse` go on. */
  respond(answer: UpstreamAnswer & { readonly end?: boolean } = {}): this {
    if (!this.#upstream.connected) throw new HostError('USAGE', 'the request did not reach an upstream yet');
    this.#answer(answer, answer.end ?? true);
    return this.#checked();
  }

  event(bytes: string | Uint8Array): this {
    this.response.data(typeof bytes === 'string' ? encodeText(bytes) : bytes, false);
    return this.#checked();
  }

  endResponse(): this {
    this.response.data(EMPTY, true);
    return this.#checked();
  }

  get result(): StreamResult {
    const held = this.request.state !== 'flowing';
    const open = this.request.stalled ? 'stalled' : held ? 'held' : 'open';
    return {
      state: this.#state === 'open' ? open : this.#state,
      status: this.#client.started ? this.responseCode : undefined,
      headers: this.#client.headers.toObject(),
      body: Buffer.concat(this.#client.body),
      trailers: this.#client.trailers.toObject(),
      from: this.#from,
      upstream: this.#upstream.connected ? this.#upstream.request() : undefined,
    };
  }

  /** The root context that it belongs to. */
  get root(): RootHostContext | undefined {
    return this.#context?.root;
  }

  /** The body of the answer as text. */
  get text(): string {
    return Buffer.concat(this.#client.body).toString();
  }

  /** Id of the stream's context in its VM. */
  get id(): number {
    return this.#context?.id ?? 0;
  }

  get responseCode(): number | undefined {
    const status = this.responseHeaders?.get(':status');
    return status === undefined ? undefined : Number(status);
  }

  get upstreamAddress(): string | undefined {
    return this.#upstream.address;
  }

  get attempts(): number {
    return this.#upstream.attempts;
  }

  get responseFlags(): number {
    return this.#upstream.flags;
  }

  /** What the filter stored with `proxy_set_property`. */
  filterState(name: string): Uint8Array | undefined {
    return this.#context?.filterState.get(name);
  }

  // What the context asks for.

  resume(direction: 'request' | 'response'): void {
    this[direction].resume();
    this.#pump();
  }

  close(): void {
    this.#finish('reset');
  }

  respondLocally({ status, body, headers }: LocalResponse): void {
    if (this.#state !== 'open' || this.#client.started) return;
    this.#from = 'proxy';
    const map = new HeaderMap({ ':status': `${status}`, 'content-length': `${body.length}` });
    for (const [name, value] of headers) map.add(name, value);
    this.#respond(map, body, undefined, true);
  }

  /**
   * Its VM died: 503, or a cut if the answer had begun. Only the stream whose callback trapped learns it at once; each other
   * one with its next event. A request that is complete and held has none: it hangs until the client gives up (seen on 1.37.0
   * and 1.40.0).
   */
  vmFailed(): void {
    if (this.#state !== 'open') return;
    if (!this.#client.started) {
      this.responseHeaders = new HeaderMap({ ':status': '503' });
      this.#client.headers = this.responseHeaders;
      this.#client.started = true;
      this.#from = 'proxy';
      this.#finish('done');
    } else this.#finish('reset');
  }

  // From the client to the filter.

  #start(endOfStream: boolean): void {
    this.request.headers(endOfStream);
  }

  #read(read: Read): this {
    if (this.request.ended) throw new HostError('USAGE', 'this request has ended already');
    this.#reads.push(read);
    this.#pump();
    return this.#checked();
  }

  /** Reads from the client as long as nothing pushes back. The bare end is not a read: it comes with what was read before it. */
  #pump(): void {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#state === 'open' && this.#reads.length && (!this.request.stalled || isBareEnd(this.#reads[0]!))) {
      const { bytes, end, trailers } = this.#reads.shift()!;
      if (bytes.length || !trailers) this.request.data(bytes, end && !trailers);
      if (!trailers) continue;
      this.requestTrailers = new HeaderMap(trailers);
      this.request.trailers();
    }
    this.#reading = false;
  }

  #requestHooks(): HalfStreamHooks {
    return {
      onHeaders: (end) => this.#createAndCall(end),
      onData: (bytes, end) => {
        const answer = this.#call('proxy_on_request_body', BodyAnswer.StopNoBuffer, bytes, Number(end));
        if (answer !== BodyAnswer.Continue && this.#upstream.hasBytes && this.#state === 'open') this.#stopsTooLate();
        return answer;
      },
      onTrailers: () => this.#call('proxy_on_request_trailers', 1, this.requestTrailers?.count ?? 0),
      forwardHeaders: (end) => this.#connect(end),
      forwardData: (bytes, end) => {
        this.#upstream.send(bytes);
        if (end) this.#reachedUpstream();
      },
      forwardTrailers: () => {
        this.#upstream.trailers = this.requestTrailers;
        this.#reachedUpstream();
      },
      tooLarge: () => this.respondLocally({ status: 413, body: encodeText('Payload Too Large'), headers: [], details: '' }),
      over: () => this.#state !== 'open' || this.#from === 'proxy',
    };
  }

  #stopsTooLate(): void {
    this.#upstream.sendAgain();
    this.setting.root?.vm.proxy.violation(
      `stream ${this.id} stops a body of which a part went on already: with a retry policy the upstream gets bytes twice`,
    );
  }

  #createAndCall(endOfStream: boolean): number {
    const context = this.#context;
    if (!context) return HeadersAnswer.Continue;
    context.vm.call(context, 'proxy_on_context_create', context.id, context.root.id);
    return this.#callHeaders('proxy_on_request_headers', this.requestHeaders.count, endOfStream);
  }

  // From the filter to the upstream and back.

  #connect(endOfStream: boolean): void {
    if (!this.#upstream.connect(this.requestHeaders)) {
      const body = encodeText('upstream connect error or disconnect/reset before headers');
      this.respondLocally({ status: 503, body, headers: [], details: '' });
    } else if (endOfStream) this.#reachedUpstream();
  }

  #reachedUpstream(): void {
    const answer = this.setting.upstream(this.#upstream.request());
    if (answer === 'reset') this.respondLocally({ status: 503, body: encodeText('reset'), headers: [], details: '' });
    else if (answer !== 'hold') this.#answer(answer, true);
  }

  #answer(answer: UpstreamAnswer, end: boolean): void {
    if (this.#answered) throw new HostError('USAGE', 'this request was answered already');
    this.#answered = true;
    this.#from = this.#from ?? 'upstream';
    const body = typeof answer.body === 'string' ? encodeText(answer.body) : (answer.body ?? EMPTY);
    this.#respond(new HeaderMap({ ':status': `${answer.status ?? 200}`, ...answer.headers }), body, answer.trailers, end);
  }

  #respond(headers: HeaderMap, body: Uint8Array, trailers: HeaderInit | undefined, end: boolean): void {
    this.responseHeaders = headers;
    const bare = end && body.length === 0 && !trailers;
    this.response.headers(bare);
    if (bare) return;
    if (body.length) this.response.data(body, false);
    if (end && trailers) {
      this.responseTrailers = new HeaderMap(trailers);
      this.response.trailers();
    } else if (end) this.response.data(EMPTY, true);
  }

  #responseHooks(): HalfStreamHooks {
    return {
      onHeaders: (end) => this.#callHeaders('proxy_on_response_headers', this.responseHeaders?.count ?? 0, end),
      onData: (bytes, end) => this.#call('proxy_on_response_body', BodyAnswer.StopNoBuffer, bytes, Number(end)),
      onTrailers: () => this.#call('proxy_on_response_trailers', 1, this.responseTrailers?.count ?? 0),
      forwardHeaders: (end) => {
        this.#client.started = true;
        this.#client.headers = this.responseHeaders ?? new HeaderMap();
        if (end) this.#finish('done');
      },
      forwardData: (bytes, end) => {
        this.#client.body.push(bytes);
        if (end) this.#finish('done');
      },
      forwardTrailers: () => {
        this.#client.trailers = this.responseTrailers ?? new HeaderMap();
        this.#finish('done');
      },
      tooLarge: () => this.#finish('reset'),
      over: () => this.#state !== 'open',
    };
  }

  // Into the module.

  /** A callback that is missing, or whose VM died, lets pass; a local response stops whatever the callback answers. */
  #call(name: string, stopped: number, ...parameters: number[]): number {
    const context = this.#context;
    if (!context) return 0;
    const answer = context.vm.call(context, name, context.id, ...parameters);
    if (context.vm.failure !== undefined) this.vmFailed();
    if (answer === undefined) return 0;
    return context.vm.stopIteration ? stopped : answer;
  }

  #callHeaders(name: string, count: number, endOfStream: boolean): number {
    const answer = this.#call(name, HeadersAnswer.StopAllAndWatermark, count, Number(endOfStream));
    const pauses = this.#context?.root.plugin.allowOnHeadersStopIteration ?? true;
    if (answer === HeadersAnswer.StopIteration && !pauses) return HeadersAnswer.StopAllAndWatermark;
    return answer > HeadersAnswer.StopAllAndWatermark ? HeadersAnswer.StopAllAndWatermark : answer;
  }

  /** However it ends, the context sees log, done and delete, in this order and once. */
  #finish(how: 'done' | 'reset'): void {
    if (this.#state !== 'open') return;
    this.#state = how;
    const context = this.#context;
    if (context) {
      this.logging = true;
      for (const name of ['proxy_on_log', 'proxy_on_done', 'proxy_on_delete']) context.vm.call(context, name, context.id);
      this.logging = false;
      context.vm.contexts.delete(context.id);
    }
    this.setting.onEnd(this);
  }

  #checked(): this {
    this.setting.root?.vm.proxy.checkpoint();
    return this;
  }
}
