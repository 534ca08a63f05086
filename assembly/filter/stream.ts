// One request in pause mode: hold the headers, read the body as it streams, decide, set the destination, let go. Whatever goes
// wrong, the request goes on without one. Source: DESIGN section 5.

import {
  BodyStatus,
  continueStream,
  Direction,
  getHeader,
  getProperty,
  HeaderMap,
  HeadersStatus,
  propertyPath,
  removeHeader,
  replaceHeader,
  resultLength,
  resultPtr,
  Status,
  setEffectiveContext,
  TrailersStatus,
  Utf8,
} from 'as-proxy-wasm';
import { resetScanner, SCANNER_BYTES, Scan, scan } from '../core/json/members';
import { promptBytes } from '../core/prefix/prompt-chain';
import { Reason } from '../core/prompt/reason';
import { Endpoint } from '../core/prompt/render';
import { destination, destinations } from '../core/routing/choose';
import { decide, decideByLoad, reason } from '../core/routing/decide';
import { matchBytes, matchStrides } from '../core/routing/matches';
import { ByteBuilder } from './bytes';
import { explain } from './explain';
import { Plugin, PluginRoot } from './plugin';
import { Flight, Pool } from './pool';
import { ReadingStream } from './reading';
import { Stalls } from './stalls';

const CLUSTER_NAME = propertyPath('xds.cluster_name');
const PATH = Utf8.of(':path');
const METHOD = Utf8.of(':method');
const POST = Utf8.of('POST');
const CONTENT_ENCODING = Utf8.of('content-encoding');
const CONTENT_LENGTH = Utf8.of('content-length');
const REQUEST_ID = Utf8.of('x-request-id');
const CHAT_PATH = Utf8.of('/v1/chat/completions');
const COMPLETIONS_PATH = Utf8.of('/v1/completions');

const value = new ByteBuilder(256);

const enum Phase {
  /** Not ours, or done: everything passes. */
  Passing,
  /** Headers are held, the body is being read. */
  Reading,
}

/** Streams of all roots that are free to be used again. */
const spare: KvaneStream[] = [];
const SPARE_MAX: i32 = 4096;

/** A stream context for a new request. */
export function takeStream(root: PluginRoot): KvaneStream {
  return spare.length != 0 ? spare.pop() : new KvaneStream(root);
}

export class KvaneStream extends ReadingStream {
  private readonly scanner: usize = heap.alloc(SCANNER_BYTES);
  private readonly flight: Flight = new Flight();
  private phase: Phase = Phase.Passing;
  private endpoint: Endpoint = Endpoint.Chat;
  private pool: Pool | null = null;
  private flying: bool = false;
  /** Decide at this many bytes at the latest. */
  private bound: u32 = 0;
  /** When and with how many bytes the watchdog let this stream go; 0 when it did not. */
  private releasedMs: u64 = 0;
  private releasedBytes: u32 = 0;
  /** How many of them had come before the chunk that it stalled with. */
  private releasedBefore: u32 = 0;

  private get plugin(): Plugin {
    return changetype<PluginRoot>(this.root).plugin;
  }

  onRequestHeaders(headers: u32, endOfStream: bool): HeadersStatus {
    const plugin = this.plugin;
    plugin.vm.served = true;
    removeHeader(HeaderMap.RequestHeaders, plugin.header);
    if (endOfStream || !this.isOurs(plugin)) return HeadersStatus.Continue;
    const pool = this.pool!;
    const why = plugin.usable(pool);
    if (why != Reason.Covered) {
      pool.metrics.seen(why);
      return HeadersStatus.Continue;
    }
    if (getHeader(HeaderMap.RequestHeaders, CONTENT_ENCODING) == Status.Ok && resultLength != 0) {
      pool.metrics.seen(Reason.Encoding);
      return HeadersStatus.Continue;
    }
    this.beginReading(plugin);
    return HeadersStatus.StopIteration;
  }

  /** Whether the request goes to a pool of ours and to a path that we read. */
  private isOurs(plugin: Plugin): bool {
    if (getProperty(CLUSTER_NAME) != Status.Ok) return false;
    const pool = plugin.poolOf(resultPtr, resultLength);
    if (pool === null || getHeader(HeaderMap.RequestHeaders, PATH) != Status.Ok) return false;
    let length: usize = 0;
    while (length < resultLength && load<u8>(resultPtr + length) != 0x3f) length++;
    if (CHAT_PATH.equals(resultPtr, length)) this.endpoint = Endpoint.Chat;
    else if (COMPLETIONS_PATH.equals(resultPtr, length)) this.endpoint = Endpoint.Completions;
    else return false;
    this.pool = pool;
    return getHeader(HeaderMap.RequestHeaders, METHOD) == Status.Ok && POST.equals(resultPtr, resultLength);
  }

  private beginReading(plugin: Plugin): void {
    this.phase = Phase.Reading;
    this.progressMs = plugin.vm.nowMs;
    this.bound = min<u32>(plugin.configuration.bodyBytes, Stalls.any ? Stalls.boundOfStream() : u32.MAX_VALUE);
    resetScanner(this.scanner);
    const announced = contentLength();
    if (announced != 0) this.body.reserve(min<usize>(announced, <usize>this.bound), plugin.configuration.arenaBytes);
    plugin.reading.add(this);
  }

  onRequestBody(bytes: u32, endOfStream: bool): BodyStatus {
    if (this.phase != Phase.Reading) {
      if (this.releasedBytes != 0) this.learnStall(bytes);
      return BodyStatus.Continue;
    }
    const plugin = this.plugin;
    this.progressMs = plugin.vm.nowMs;
    if (bytes != 0) {
      if (!plugin.reading.makeRoom(this, bytes, plugin.configuration.arenaBytes) || !this.body.take(bytes))
        return this.finish(Reason.Early);
      const state = scan(this.scanner, this.body.ptr, this.body.length);
      if (state == Scan.Closed) return this.finish(Reason.Covered);
      if (state == Scan.Odd) return this.finish(Reason.Json);
      if (this.body.length >= this.bound) return this.finish(Reason.Early);
    }
    return endOfStream ? this.finish(Reason.Json) : BodyStatus.StopIterationAndWatermark;
  }

  onRequestTrailers(trailers: u32): TrailersStatus {
    if (this.phase == Phase.Reading) this.finish(Reason.Json);
    return TrailersStatus.Continue;
  }

  private finish(why: Reason): BodyStatus {
    this.decide(why);
    return BodyStatus.Continue;
  }

  /** Decides with what has arrived and stops reading. why: `Covered` when the body's object is closed. */
  private decide(why: Reason): void {
    const plugin = this.plugin;
    const pool = this.pool!;
    const summary = pool.active;
    if (summary !== null) {
      const weights = plugin.configuration.weights;
      const any =
        why == Reason.Covered || why == Reason.Early
          ? decide(summary, this.body.ptr, this.scanner, this.endpoint, why == Reason.Covered ? 0 : this.body.length, pool.total, weights)
          : decideByLoad(summary, why, pool.total, weights);
      if (plugin.vm.debug) this.explain();
      pool.metrics.seen(reason);
      if (any) this.depart(plugin, pool);
    }
    this.body.free();
    this.phase = Phase.Passing;
    plugin.reading.remove(this);
  }

  /** Sets the destination and counts the request there. */
  private depart(plugin: Plugin, pool: Pool): void {
    const summary = pool.active!;
    value.clear();
    for (let i: u32 = 0; i < destinations; i++) {
      const endpoint = summary.endpoint(destination(i));
      if (i != 0) value.byte(0x2c);
      value.bytes(endpoint.address, <usize>endpoint.addressLength);
    }
    replaceHeader(HeaderMap.RequestHeaders, plugin.header, value.ptr, value.length);
    const best = destination(0);
    pool.metrics.routed.add(1);
    if (matchStrides(best) != 0) pool.metrics.credited.add(1);
    pool.metrics.promptBytes.add(promptBytes);
    pool.metrics.predictedBytes.add(matchBytes(best, summary.stride));
    pool.depart(summary, best, this.flight);
    this.flying = true;
  }

  private explain(): void {
    const known = getHeader(HeaderMap.RequestHeaders, REQUEST_ID) == Status.Ok;
    explain(this.pool!.active!, known ? resultPtr : 0, known ? resultLength : 0, this.body.ptr, this.body.length == 0 ? 0 : this.scanner);
  }

  /** Lets the stream go from outside its own callbacks: the watchdog, or another stream that needs the room. */
  release(): void {
    if (this.phase != Phase.Reading || setEffectiveContext(this.id) != Status.Ok) return;
    this.releasedMs = this.plugin.vm.nowMs;
    this.releasedBytes = this.body.length;
    this.releasedBefore = this.body.lengthBefore;
    this.decide(Reason.Early);
    continueStream(Direction.Request);
    setEffectiveContext(0);
  }

  /** Bytes that follow at once after a release had been held back by Envoy's limit, not by a slow sender. */
  private learnStall(bytes: u32): void {
    if (bytes != 0) Stalls.learn(this.releasedBytes, this.releasedBefore, this.releasedMs);
    this.releasedBytes = 0;
  }

  onDelete(): void {
    const plugin = this.plugin;
    if (this.phase == Phase.Reading) {
      this.phase = Phase.Passing;
      plugin.reading.remove(this);
    }
    this.body.free();
    if (this.flying) this.pool!.arrive(this.flight);
    this.flying = false;
    this.pool = null;
    this.releasedBytes = 0;
    if (spare.length < SPARE_MAX) spare.push(this);
  }
}

/** The announced length of the body, 0 when there is none. */
function contentLength(): usize {
  if (getHeader(HeaderMap.RequestHeaders, CONTENT_LENGTH) != Status.Ok || resultLength > 9) return 0;
  let length: usize = 0;
  for (let i: usize = 0; i < resultLength; i++) {
    const digit = <usize>load<u8>(resultPtr + i) - 0x30;
    if (digit > 9) return 0;
    length = length * 10 + digit;
  }
  return length;
}
