// One plugin configuration in one VM.

import {
  Buffer,
  getBuffer,
  LogLevel,
  log,
  RootContext,
  resultLength,
  resultPtr,
  Status,
  StreamContext,
  setTickPeriod,
  Utf8,
} from 'as-proxy-wasm';
import { hashBytes } from '../core/prefix/chain';
import { Reason } from '../core/prompt/reason';
import { Configuration, problem, readConfiguration } from './configuration';
import { generationOf, holdLease } from './lease';
import { PolledPool, Poller } from './poller';
import { Pool } from './pool';
import { KvaneStream } from './stream';
import { theVm, Vm } from './vm';

/** Streams of all roots that are free to be used again. */
const spare: KvaneStream[] = [];
const SPARE_MAX: i32 = 4096;

/** Where a cluster's requests go, remembered by its name. */
class Bound {
  constructor(
    readonly cluster: Utf8,
    readonly pool: Pool | null,
  ) {}
}
const BOUND_MAX: i32 = 1024;

export class KvaneRoot extends RootContext {
  configuration: Configuration = new Configuration();
  header: Utf8 = Utf8.of('x-gateway-destination-endpoint');
  vm: Vm = theVm();
  private polled: PolledPool[] = [];
  private poller: Poller | null = null;
  private generation: u64 = 0;
  private bound: Bound[] = [];
  /** Streams being read, newest first. */
  private reading: KvaneStream | null = null;

  onConfigure(bytes: u32): bool {
    if (getBuffer(Buffer.PluginConfiguration, 0, bytes) != Status.Ok || resultLength == 0) {
      log(LogLevel.Error, 'kvane: configuration: missing');
      return false;
    }
    // A copy with room behind it, for core reads ahead.
    const length = resultLength;
    const text = heap.alloc(length + 16);
    memory.copy(text, resultPtr, length);
    const configuration = readConfiguration(text, length);
    const hash = hashBytes(0, text, length);
    heap.free(text);
    if (configuration === null) {
      log(LogLevel.Error, 'kvane: configuration: ' + problem);
      return false;
    }
    this.adopt(configuration, hash);
    return true;
  }

  private adopt(configuration: Configuration, hash: u64): void {
    const vm = this.vm;
    this.configuration = configuration;
    this.header = Utf8.of(configuration.header);
    this.bound = [];
    this.polled = [];
    for (let i = 0; i < configuration.pools.length; i++) {
      this.polled.push(vm.entryOf(configuration.pools[i], configuration.maxSummaryBytes).polled);
    }
    this.generation = generationOf(hash);
    vm.generation = max<u64>(vm.generation, this.generation);
    this.poller = new Poller(configuration, vm.metrics, hash ^ (vm.tag << 32));
    setTickPeriod(configuration.tickMs);
  }

  onTick(): void {
    const vm = this.vm;
    vm.tick();
    this.watch();
    const poller = this.poller;
    if (poller === null || this.generation != vm.generation) return;
    if (holdLease(vm.tag, this.generation, vm.nowMs, vm.served)) poller.tick(this.polled, vm.nowMs);
  }

  onHttpCallResponse(token: u32, headers: u32, bodyBytes: u32, trailers: u32): void {
    const poller = this.poller;
    if (poller !== null) poller.answered(token, this.polled, bodyBytes, this.vm.now());
  }

  createStream(id: u32): StreamContext {
    return spare.length != 0 ? spare.pop() : new KvaneStream(this);
  }

  recycle(stream: KvaneStream): void {
    if (spare.length < SPARE_MAX) spare.push(stream);
  }

  /** The pool that a cluster is bound to; the first binding that matches counts. */
  poolOf(cluster: usize, length: usize): Pool | null {
    const bound = this.bound;
    for (let i = 0; i < bound.length; i++) if (unchecked(bound[i]).cluster.equals(cluster, length)) return unchecked(bound[i]).pool;
    let pool: Pool | null = null;
    const bindings = this.configuration.bindings;
    for (let i = 0; i < bindings.length; i++) {
      if (!bindings[i].matches(cluster, length)) continue;
      pool = this.vm.entryOf(bindings[i].pool, this.configuration.maxSummaryBytes).pool;
      break;
    }
    if (bound.length < BOUND_MAX) bound.push(new Bound(Utf8.copyOf(cluster, length), pool));
    return pool;
  }

  /** Why the pool cannot be decided about now; `Covered` when it can. */
  usable(pool: Pool): Reason {
    const summary = pool.active;
    if (summary === null) return Reason.NoSummary;
    if (!summary.enabled) return Reason.Disabled;
    return pool.isFresh(summary, this.vm.nowMs) ? Reason.Covered : Reason.Stale;
  }

  addReading(stream: KvaneStream): void {
    const first = this.reading;
    stream.previous = null;
    stream.next = first;
    if (first !== null) first.previous = stream;
    this.reading = stream;
  }

  removeReading(stream: KvaneStream): void {
    const previous = stream.previous;
    const next = stream.next;
    if (previous !== null) previous.next = next;
    else if (this.reading === stream) this.reading = next;
    if (next !== null) next.previous = previous;
    stream.previous = null;
    stream.next = null;
  }

  /** Makes room for `bytes` more of a stream; the stream that holds most is let go first. False: that is this one. */
  makeRoom(stream: KvaneStream, bytes: u32): bool {
    const limit = <usize>this.configuration.arenaBytes;
    const wanted = <usize>stream.body.length + <usize>bytes;
    while (!stream.body.reserve(wanted, limit)) {
      const largest = this.largest();
      this.vm.metrics.arenaReleases.add(1);
      if (largest === null || largest === stream || largest.body.length < stream.body.length) return false;
      largest.release();
      if (largest.body.length != 0) return false;
    }
    return true;
  }

  private largest(): KvaneStream | null {
    let largest: KvaneStream | null = null;
    let stream = this.reading;
    while (stream !== null) {
      if (largest === null || stream.body.length > largest.body.length) largest = stream;
      stream = stream.next;
    }
    return largest;
  }

  /** Lets streams go that have made no progress: above Envoy's own limit, which we cannot see, they would stall for ever. */
  private watch(): void {
    const late = <u64>this.configuration.watchdogMs;
    let stream = this.reading;
    while (stream !== null) {
      const next = stream.next;
      if (this.vm.nowMs > stream.progressMs + late) {
        this.vm.metrics.watchdogReleases.add(1);
        stream.release();
      }
      stream = next;
    }
  }
}
