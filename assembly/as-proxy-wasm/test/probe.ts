// A filter that does what the request's `x-probe` header says, to learn what a host does with it. The same scenarios run it on
// the Node host and on real Envoy. Words of the header are separated by blanks:
//
//   pass            let everything through                     hold            keep the headers, body status 2
//   buffer          keep the headers, body status 1            early=N         decide once N bytes were seen
//   watchdog        never decide, the tick releases            call            ask cluster `indexer` first, then decide
//   local           answer here with 418                       late            change a header after the headers went on
//   share           compare-and-swap a shared counter          props           read properties
//   trap            trap in the headers callback               log             log every callback
//   after           change a header after the decision         all             hold everything until the tick releases
//   keep            do not strip a destination header
//   again           stop once more after the decision, which is a mistake
//   reread          look at the body from the tick             twice           read a header that came twice
//
// "Decide": set `x-probed` to what was seen, and the destination header to `x-want`; then let go.

import {
  BodyStatus,
  Buffer,
  bufferLength,
  continueStream,
  Direction,
  defineMetric,
  getBuffer,
  getBufferInto,
  getHeader,
  getProperty,
  getShared,
  HeaderMap,
  HeaderPairs,
  HeadersStatus,
  httpCall,
  httpCallToken,
  incrementMetric,
  LogLevel,
  log,
  MetricKind,
  propertyPath,
  RootContext,
  registerRoot,
  removeHeader,
  replaceHeader,
  resultLength,
  resultPtr,
  resultText,
  Status,
  StreamContext,
  sendLocalResponse,
  setEffectiveContext,
  setShared,
  setTickPeriod,
  sharedCas,
  TrailersStatus,
  Utf8,
} from 'as-proxy-wasm';

export * from 'as-proxy-wasm/exports/done';
export * from 'as-proxy-wasm/exports/http';
export * from 'as-proxy-wasm/exports/lifecycle';
export * from 'as-proxy-wasm/exports/log';
export * from 'as-proxy-wasm/exports/request';
export * from 'as-proxy-wasm/exports/response-body';
export * from 'as-proxy-wasm/exports/response-headers';
export * from 'as-proxy-wasm/exports/response-trailers';
export * from 'as-proxy-wasm/exports/tick';

const PROBE = Utf8.of('x-probe');
const PROBED = Utf8.of('x-probed');
const WANT = Utf8.of('x-want');
const CONFIG = Utf8.of('x-config');
const DESTINATION = Utf8.of('x-gateway-destination-endpoint');
const INDEXER = Utf8.of('indexer');
const COUNTER = Utf8.of('probe/counter');
const TWICE = Utf8.of('x-twice');
const STATUS = Utf8.of(':status');
const ASK = HeaderPairs.of([':method', 'GET', ':path', '/ask', ':authority', 'indexer']);
const PROPERTIES: string[] = ['xds.cluster_name', 'plugin_root_id', 'plugin_name', 'upstream.address', 'cluster_name', 'no.such'];

/** Where bodies land; the probe checks that they are complete by a sum of all bytes. */
const CHUNK_BYTES: usize = 4 << 20;
let chunk: usize = 0;

/** Globals of the VM: shared by all roots in it. */
const waiting = new Map<u32, u32>();
let rootsMade = 0;

function say(text: string): void {
  log(LogLevel.Info, 'probe: ' + text);
}

function set(name: Utf8, value: string): Status {
  const bytes = Utf8.of(value);
  const status = replaceHeader(HeaderMap.RequestHeaders, name, bytes.ptr, bytes.length);
  bytes.free();
  return status;
}

class ProbeRoot extends RootContext {
  label: string = '';
  /** Streams that wait for the tick or for an answer. */
  held: Map<u32, ProbeStream> = new Map<u32, ProbeStream>();
  reread: bool = false;
  requests: u32 = 0;
  ticks: u32 = 0;
  streams: u32 = 0;

  onStart(vmConfigurationBytes: u32): bool {
    say('start ' + vmConfigurationBytes.toString());
    return true;
  }

  /** Configuration: `label [tick=MS] [refuse]`. */
  onConfigure(configurationBytes: u32): bool {
    getBuffer(Buffer.PluginConfiguration, 0, configurationBytes);
    const words = resultText().split(' ');
    this.label = words[0];
    rootsMade++;
    say('configure ' + this.label + ' bytes=' + configurationBytes.toString() + ' root=' + rootsMade.toString());
    this.requests = defineMetric(MetricKind.Counter, 'probe.requests');
    if (chunk === 0) chunk = heap.alloc(CHUNK_BYTES);
    for (let i = 1; i < words.length; i++) {
      if (words[i] === 'refuse') return false;
      if (words[i].startsWith('tick=')) setTickPeriod(<u32>U32.parseInt(words[i].substring(5)));
    }
    return true;
  }

  onTick(): void {
    this.ticks++;
    const ids = this.held.keys();
    for (let i = 0; i < ids.length; i++) this.release(ids[i], 'tick');
  }

  onHttpCallResponse(token: u32, headers: u32, bodyBytes: u32, trailers: u32): void {
    let answer = 'none';
    if (headers > 0 && getHeader(HeaderMap.HttpCallHeaders, STATUS) === Status.Ok) answer = resultText();
    getBuffer(Buffer.HttpCallBody, 0, bodyBytes);
    answer += '/' + resultLength.toString();
    if (!waiting.has(token)) {
      say('answer ' + answer + ' for nobody');
      return;
    }
    const id = waiting.get(token);
    waiting.delete(token);
    this.release(id, 'answer ' + answer);
  }

  release(id: u32, why: string): void {
    if (!this.held.has(id)) return;
    this.held.get(id).decided = true;
    this.held.delete(id);
    if (setEffectiveContext(id) !== Status.Ok) {
      say('gone ' + why);
      return;
    }
    if (why === 'tick' && this.reread) say('reread ' + getBuffer(Buffer.RequestBody, 0, 10).toString() + ' ' + resultLength.toString());
    const status = set(PROBED, why);
    getHeader(HeaderMap.RequestHeaders, WANT);
    if (resultLength) replaceHeader(HeaderMap.RequestHeaders, DESTINATION, resultPtr, resultLength);
    const resumed = continueStream(Direction.Request);
    setEffectiveContext(0);
    if (status !== Status.Ok || resumed !== Status.Ok) say('release ' + status.toString() + ' ' + resumed.toString());
  }

  onDone(): bool {
    say('root done ' + this.label);
    return true;
  }

  onDelete(): void {
    say('root delete ' + this.label + ' ticked=' + (this.ticks > 0).toString());
  }

  createStream(id: u32): StreamContext {
    return new ProbeStream(this);
  }
}

class ProbeStream extends StreamContext {
  private readonly verbs: Set<string> = new Set<string>();
  private early: usize = usize.MAX_VALUE;
  private seen: usize = 0;
  private sum: u32 = 0;
  /** Let go: from now on every callback must answer Continue, or the upstream may get bytes twice. */
  decided: bool = false;

  constructor(private readonly owner: ProbeRoot) {
    super(owner);
  }

  private trace(text: string): void {
    if (this.verbs.has('log')) say(text);
  }

  onRequestHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    incrementMetric(this.owner.requests, 1);
    if (getHeader(HeaderMap.RequestHeaders, PROBE) === Status.Ok) {
      const words = resultText().split(' ');
      for (let i = 0; i < words.length; i++) {
        if (words[i].startsWith('early=')) this.early = <usize>U32.parseInt(words[i].substring(6));
        this.verbs.add(words[i]);
      }
    }
    this.trace('request headers end=' + endOfStream.toString());
    if (!this.verbs.has('keep')) removeHeader(HeaderMap.RequestHeaders, DESTINATION);
    set(CONFIG, this.owner.label);
    if (this.verbs.has('trap')) unreachable();
    if (this.verbs.has('twice') && getHeader(HeaderMap.RequestHeaders, TWICE) === Status.Ok) set(PROBED, resultText());
    this.owner.reread = this.verbs.has('reread');
    if (this.verbs.has('all')) {
      this.decided = true;
      this.owner.held.set(this.id, this);
      return HeadersStatus.StopAllIterationAndWatermark;
    }
    if (this.verbs.has('share')) set(PROBED, this.share());
    if (this.verbs.has('props')) set(PROBED, this.properties());
    if (this.verbs.has('local')) {
      const body = Utf8.of('from the filter');
      const status = sendLocalResponse(418, body.ptr, body.length, HeaderPairs.of(['x-local', 'yes']));
      body.free();
      this.trace('local ' + status.toString());
      return HeadersStatus.Continue;
    }
    const holds = this.verbs.has('hold') || this.verbs.has('buffer') || this.verbs.has('watchdog') || this.verbs.has('call');
    if (!holds) return HeadersStatus.Continue;
    return !endOfStream || !this.finish() ? HeadersStatus.StopIteration : HeadersStatus.Continue;
  }

  onRequestBody(bytes: u32, endOfStream: bool): BodyStatus {
    if (this.verbs.has('late')) {
      this.verbs.delete('late');
      say('late ' + set(PROBED, 'late').toString());
    }
    this.take(bytes);
    if (this.decided && this.verbs.has('after')) {
      this.verbs.delete('after');
      say('after ' + set(PROBED, 'after').toString());
    }
    if (endOfStream) this.trace('request body end seen=' + this.seen.toString() + ' sum=' + this.sum.toString());
    if (this.decided && this.verbs.has('again') && !endOfStream) return BodyStatus.StopIterationAndWatermark;
    if (this.verbs.has('pass') || this.decided) return BodyStatus.Continue;
    const holding = this.verbs.has('buffer') ? BodyStatus.StopIterationAndBuffer : BodyStatus.StopIterationAndWatermark;
    if (!endOfStream && this.seen < this.early) {
      if (this.verbs.has('watchdog')) this.owner.held.set(this.id, this);
      return holding;
    }
    return this.finish() ? BodyStatus.Continue : holding;
  }

  onRequestTrailers(trailers: u32): TrailersStatus {
    this.trace('request trailers seen=' + this.seen.toString() + ' sum=' + this.sum.toString());
    if (this.verbs.has('pass') || this.decided) return TrailersStatus.Continue;
    return this.finish() ? TrailersStatus.Continue : TrailersStatus.StopIteration;
  }

  onResponseHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    this.trace('response headers end=' + endOfStream.toString());
    return HeadersStatus.Continue;
  }

  onResponseBody(bytes: u32, endOfStream: bool): BodyStatus {
    if (endOfStream) this.trace('response body end');
    return BodyStatus.Continue;
  }

  onResponseTrailers(trailers: u32): TrailersStatus {
    this.trace('response trailers');
    return TrailersStatus.Continue;
  }

  onLog(): void {
    this.trace('log');
  }

  onDone(): bool {
    this.trace('done');
    return true;
  }

  onDelete(): void {
    this.trace('delete');
    this.owner.held.delete(this.id);
  }

  /** All bytes are here, or as many as we wait for. True: let go now. */
  private finish(): bool {
    if (this.verbs.has('watchdog')) {
      this.owner.held.set(this.id, this);
      return false;
    }
    if (this.verbs.has('call')) {
      const status = httpCall(INDEXER, ASK, 0, 0, 1000);
      if (status === Status.Ok) {
        waiting.set(httpCallToken, this.id);
        this.owner.held.set(this.id, this);
        return false;
      }
      say('call ' + status.toString());
    }
    this.decided = true;
    const status = set(PROBED, 'seen ' + this.seen.toString() + ' sum ' + this.sum.toString());
    if (status !== Status.Ok) say('decide ' + status.toString());
    getHeader(HeaderMap.RequestHeaders, WANT);
    if (resultLength) replaceHeader(HeaderMap.RequestHeaders, DESTINATION, resultPtr, resultLength);
    return true;
  }

  /** With status 1 the buffer shows everything so far, with status 2 and 0 what is new. */
  private take(bytes: u32): void {
    const shown = bufferLength(Buffer.RequestBody);
    if (shown !== bytes) say('size ' + bytes.toString() + ' but buffer ' + shown.toString());
    if (this.verbs.has('buffer') && !this.decided) {
      this.seen = 0;
      this.sum = 0;
    }
    let start: usize = 0;
    while (start < bytes) {
      getBufferInto(Buffer.RequestBody, start, CHUNK_BYTES, chunk);
      if (resultPtr !== chunk) say('did not land');
      for (let i: usize = 0; i < resultLength; i++) this.sum = (this.sum + load<u8>(chunk + i)) % 65521;
      start += resultLength;
    }
    this.seen += bytes;
  }

  private share(): string {
    const read = getShared(COUNTER);
    const cas = sharedCas;
    const value = read === Status.Ok ? load<u32>(resultPtr) : 0;
    const cell = heap.alloc(4);
    store<u32>(cell, value + 1);
    const wrote = setShared(COUNTER, cell, 4, cas);
    store<u32>(cell, value + 2);
    const again = setShared(COUNTER, cell, 4, cas);
    heap.free(cell);
    return read.toString() + ' ' + value.toString() + ' ' + wrote.toString() + ' ' + again.toString();
  }

  private properties(): string {
    const found: string[] = [];
    for (let i = 0; i < PROPERTIES.length; i++) {
      const path = propertyPath(PROPERTIES[i]);
      const status = getProperty(path);
      path.free();
      found.push(PROPERTIES[i] + '=' + (status === Status.Ok ? resultText() : 'status ' + status.toString()));
    }
    return found.join(' ');
  }
}

registerRoot((id: u32): RootContext => new ProbeRoot());
