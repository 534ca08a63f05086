import { BodyAnswer, HeadersAnswer } from './abi';
import type { Clusters, Upstream, UpstreamAnswer, UpstreamRequest } from './clusters';
import type { LocalResponse, RootHostContext } from './context';
import { HostError } from './errors';
import { encodeText } from './guest-memory';
import { HalfStream, type HalfStreamHooks } from './half-stream';
import { type HeaderInit, HeaderMap } from './header-map';
import { type StreamFacts, StreamHostContext } from './stream-context';

export interface RequestOptions {
  /** Default GET without a body, else POST. */
  readonly method?: string;
  readonly path?: string;
  readonly headers?: HeaderInit;
  /** The whole body. Without it a GET or HEAD ends with its headers, and anything else waits for `body`. */
  readonly body?: string | Uint8Array;
  readonly trailers?: HeaderInit;
  readonly http2?: boolean;
  /** Which worker takes it; in turn by default. */
  readonly worker?: number;
  /** Name of the plugin that stands before the router; the first by default. */
  readonly plugin?: string;
  /** What the route says; the first cluster by default. */
  readonly cluster?: string;
  /** More properties, or other values, by their dotted path. */
  readonly properties?: Readonly<Record<string, string | bigint | Uint8Array>>;
  /** Bytes of one read from the client when `body` is split. Default 16 KiB. */
  readonly readBytes?: number;
  /** The last bytes carry the end, as HTTP/2 may do. Default false: the end comes alone. */
  readonly endWithBytes?: boolean;
}

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

interface Read {
  readonly bytes: Uint8Array;
  readonly end: boolean;
  readonly trailers?: HeaderInit;
}

const EMPTY = new Uint8Array();
/** Response flag `UF`: the connection to the upstream failed. */
const CONNECTION_FAILED = 32;

/** One request on its way through the filter, and its answer on the way back. */
export class Stream implements StreamFacts {
  readonly request: HalfStream;
  readonly response: HalfStream;
  readonly requestHeaders: HeaderMap;
  requestTrailers: HeaderMap | undefined;
  responseHeaders: HeaderMap | undefined;
  responseTrailers: HeaderMap | undefined;
  logging = false;
  upstreamAddress: string | undefined;
  attempts = 0;
  responseFlags = 0;
  readonly cluster: string;
  readonly properties: Readonly<Record<string, string | bigint | Uint8Array>>;

  readonly #context: StreamHostContext | undefined;
  #reads: Read[] = [];
  #reading = false;
  #state: 'open' | 'done' | 'reset' = 'open';
  #from: 'upstream' | 'proxy' | undefined;
  #sentUpstream: Uint8Array[] = [];
  #headersUpstream: HeaderMap | undefined;
  #trailersUpstream: HeaderMap | undefined;
  #sendsTwice = false;
  #answered = false;
  #client = { headers: new HeaderMap(), body: [] as Uint8Array[], trailers: new HeaderMap(), started: false };

  constructor(
    options: RequestOptions,
    private readonly setting: StreamSetting,
  ) {
    const { body, method = body === undefined ? 'GET' : 'POST' } = options;
    this.cluster = options.cluster ?? setting.clusters.first;
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
    if (whole && !ends) this.#sendWhole(whole, options);
    else if (options.trailers) this.trailers(options.trailers);
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
    if (!this.#headersUpstream) throw new HostError('USAGE', 'the request did not reach an upstream yet');
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
      upstream: this.#headersUpstream && this.#upstreamRequest(),
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

  #sendWhole(body: Uint8Array, { readBytes = 16_384, endWithBytes, trailers }: RequestOptions): void {
    for (let at = 0; at < body.length; at += readBytes) {
      const last = at + readBytes >= body.length;
      const bytes = body.subarray(at, at + readBytes);
      if (!last) this.#reads.push({ bytes, end: false });
      else if (trailers) this.#reads.push({ bytes, end: true, trailers });
      else if (endWithBytes) this.#reads.push({ bytes, end: true });
      else this.#reads.push({ bytes, end: false }, { bytes: EMPTY, end: true });
    }
    if (!body.length) this.#reads.push({ bytes: EMPTY, end: true, ...(trailers && { trailers }) });
    this.#pump();
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
        if (answer !== BodyAnswer.Continue && this.#sentUpstream.length && this.#state === 'open') this.#stopsTooLate();
        return answer;
      },
      onTrailers: () => this.#call('proxy_on_request_trailers', 1, this.requestTrailers?.count ?? 0),
      forwardHeaders: (end) => this.#connect(end),
      forwardData: (bytes, end) => {
        if (this.#sendsTwice) this.#sentUpstream.push(Buffer.concat(this.#sentUpstream));
        this.#sendsTwice = false;
        this.#sentUpstream.push(bytes);
        if (end) this.#reachedUpstream();
      },
      forwardTrailers: () => {
        this.#trailersUpstream = this.requestTrailers;
        this.#reachedUpstream();
      },
      tooLarge: () => this.respondLocally({ status: 413, body: encodeText('Payload Too Large'), headers: [], details: '' }),
      over: () => this.#state !== 'open' || this.#from === 'proxy',
    };
  }

  /**
   * Both filters keep what they hold in one buffer: the router what it may have to send again, ours what it stops. What is let
   * go then is the whole buffer (seen on 1.37.0 and 1.40.0; not without a retry policy).
   */
  #stopsTooLate(): void {
    this.#sendsTwice = true;
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
    const chosen = this.setting.clusters.connect(this.cluster, this.requestHeaders);
    this.upstreamAddress = chosen?.endpoint;
    this.attempts = chosen?.attempts ?? 0;
    if (!chosen?.connected) {
      this.responseFlags = CONNECTION_FAILED;
      const body = encodeText('upstream connect error or disconnect/reset before headers');
      this.respondLocally({ status: 503, body, headers: [], details: '' });
      return;
    }
    this.#headersUpstream = new HeaderMap();
    this.#headersUpstream.replaceAll(this.requestHeaders.pairs);
    if (endOfStream) this.#reachedUpstream();
  }

  #upstreamRequest(): UpstreamRequest {
    return {
      cluster: this.cluster,
      endpoint: this.upstreamAddress ?? '',
      attempts: this.attempts,
      headers: this.#headersUpstream?.toObject() ?? {},
      body: Buffer.concat(this.#sentUpstream),
      trailers: this.#trailersUpstream?.toObject() ?? {},
    };
  }

  #reachedUpstream(): void {
    const answer = this.setting.upstream(this.#upstreamRequest());
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

function isBareEnd(read: Read): boolean {
  return read.end && read.bytes.length === 0;
}
