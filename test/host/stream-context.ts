import { type BufferName, type MapName, Status } from './abi';
import { answerMap, type BufferView, HostContext, type LocalResponse, type RootHostContext, sharedBuffer } from './context';
import { encodeText } from './guest-memory';
import type { HalfStream } from './half-stream';
import type { HeaderMap } from './header-map';

/** What the stream shows to its context. */
export interface StreamFacts {
  readonly cluster: string;
  readonly request: HalfStream;
  readonly response: HalfStream;
  readonly requestHeaders: HeaderMap;
  readonly requestTrailers: HeaderMap | undefined;
  readonly responseHeaders: HeaderMap | undefined;
  readonly responseTrailers: HeaderMap | undefined;
  /** The access log phase: everything can be read, nothing be changed. */
  readonly logging: boolean;
  readonly upstreamAddress: string | undefined;
  readonly attempts: number;
  readonly responseCode: number | undefined;
  readonly responseFlags: number;
  readonly properties: Readonly<Record<string, string | bigint | Uint8Array>>;
  resume(direction: 'request' | 'response'): void;
  close(): void;
  respondLocally(response: LocalResponse): void;
}

const GONE = 'they went on already: what is written now is lost, or not, by chance';
const u64 = (value: bigint | number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
};

export class StreamHostContext extends HostContext {
  /** What `proxy_set_property` stored. */
  readonly filterState = new Map<string, Uint8Array>();

  constructor(
    override readonly root: RootHostContext,
    id: number,
    private readonly facts: StreamFacts,
  ) {
    super(root.vm, id);
  }

  override map(name: MapName): HeaderMap | string | null | undefined {
    const { facts } = this;
    if (facts.logging) return this.#loggedMap(name) ?? null;
    switch (name) {
      case 'RequestHeaders':
        return facts.request.headersOpen ? facts.requestHeaders : `RequestHeaders of context ${this.id}: ${GONE}`;
      case 'RequestTrailers':
        return facts.requestTrailers;
      case 'ResponseHeaders':
        return facts.response.headersOpen ? facts.responseHeaders : `ResponseHeaders of context ${this.id}: not there now`;
      case 'ResponseTrailers':
        return facts.responseTrailers;
      default:
        return answerMap(this.root, name);
    }
  }

  override buffer(name: BufferName): BufferView | string | undefined {
    if (name === 'RequestBody') return bodyView(this.facts.request);
    return name === 'ResponseBody' ? bodyView(this.facts.response) : sharedBuffer(this.root, name);
  }

  override property(path: string): Uint8Array | Status {
    const { facts } = this;
    const given = facts.properties[path];
    if (given !== undefined) return typeof given === 'string' ? encodeText(given) : typeof given === 'bigint' ? u64(given) : given;
    const routed = facts.upstreamAddress !== undefined;
    switch (path) {
      case 'xds.cluster_name':
        return encodeText(facts.cluster);
      case 'request.path':
        return encodeText(facts.requestHeaders.get(':path') ?? '');
      case 'request.method':
        return encodeText(facts.requestHeaders.get(':method') ?? '');
      case 'request.size':
        return u64(Number(facts.requestHeaders.get('content-length') ?? 0));
      case 'upstream.address':
        return routed ? encodeText(facts.upstreamAddress) : Status.NotFound;
      case 'upstream.request_attempt_count':
        return routed ? u64(facts.attempts) : Status.NotFound;
      case 'response.code':
        return facts.responseCode === undefined ? Status.NotFound : u64(facts.responseCode);
      case 'response.flags':
        return u64(facts.responseFlags);
      case 'filter_state':
      case 'xds.upstream_host_metadata':
        return Status.SerializationFailure;
      default:
        return this.filterState.get(path) ?? this.root.property(path);
    }
  }

  override setProperty(name: string, value: Uint8Array): Status {
    this.filterState.set(name, value);
    return Status.Ok;
  }

  override continueStream(direction: number): Status {
    const half = direction === 0 ? this.facts.request : this.facts.response;
    if (half.showsWhole && !half.ended) {
      this.vm.proxy.violation('continueStream after StopIterationAndBuffer in mid-body: Envoy before 1.38 loses body bytes (facts §4.2)');
    }
    half.headersOpen = false;
    this.vm.afterCall(() => this.facts.resume(direction === 0 ? 'request' : 'response'));
    return Status.Ok;
  }

  override closeStream(_direction: number): Status {
    this.vm.afterCall(() => this.facts.close());
    return Status.Ok;
  }

  override sendLocalResponse(response: LocalResponse): void {
    this.vm.afterCall(() => this.facts.respondLocally(response));
  }

  #loggedMap(name: MapName): HeaderMap | undefined {
    const { facts } = this;
    if (name === 'RequestHeaders') return facts.requestHeaders;
    if (name === 'ResponseHeaders') return facts.responseHeaders;
    return name === 'ResponseTrailers' ? facts.responseTrailers : undefined;
  }
}

/** A body is there in its callback; in the trailers callback only if it is buffered; elsewhere Envoy reads freed memory. */
function bodyView(half: HalfStream): BufferView | string {
  const { view } = half;
  if (view) {
    const replace = (bytes: Uint8Array): void => {
      half.view = bytes;
    };
    return { bytes: view, replace };
  }
  if (half.showsWhole) return { bytes: half.held };
  return 'a body read outside of its callback: Envoy crashes (seen on 1.37.0 and 1.40.0)';
}
