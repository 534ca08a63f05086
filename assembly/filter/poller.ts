// The holder of the lease asks the indexer for what is new, and writes what comes back to shared data as it is. It keeps no second
// copy: what the proxy has is what the heads say. Source: DESIGN section 7, poll protocol at the end of format.ts.

import {
  Buffer,
  getBuffer,
  getHeader,
  getShared,
  HeaderMap,
  HeaderPairs,
  httpCall,
  httpCallToken,
  resultLength,
  resultPtr,
  Status,
  setShared,
  Utf8,
} from 'as-proxy-wasm';
import { DELTA_RING, FORMAT_VERSION, KIND_DELTA } from '../core/summary/format';
import {
  baseSequenceOf,
  checkMessage,
  epochOf,
  kindOfMessage,
  MessageStatus,
  messageLength,
  partOf,
  partsOf,
  sequenceOf,
} from '../core/summary/message';
import { ByteBuilder } from './bytes';
import { Configuration } from './configuration';
import { Flights } from './flights';
import { Head } from './head';
import { VmMetrics } from './metrics';
import { Pool } from './pool';
import { PARTS_MAX } from './shared-names';

/** The indexer answers at its own deadline; this much later Envoy gives up. */
const GRACE_MS: u32 = 5000;
const BACKOFF_MIN_MS: u64 = 250;
const BACKOFF_MAX_MS: u64 = 5000;
/** After a poll for a snapshot that a VM wants: one that still does not help must not be fetched again at once. */
const WANTED_PAUSE_MS: u64 = 1000;

const STATUS = Utf8.of(':status');
const OK = Utf8.of('200');
const FORMAT = Utf8.of('x-kvane-format');
const VERSION = Utf8.of(FORMAT_VERSION.toString());

/** A snapshot on its way from the indexer into a bank. */
class Download {
  epoch: u64 = 0;
  sequence: u64 = 0;
  next: u32 = 0;
  parts: u32 = 0;
  bank: u32 = 0;
}

export class PolledPool {
  readonly head: Head = new Head();
  readonly download: Download = new Download();

  constructor(
    readonly pool: Pool,
    readonly flights: Flights,
  ) {}

  /** A VM asked for a newer snapshot than the head's. */
  isWanted(): bool {
    if (getShared(this.pool.names.want) != Status.Ok || resultLength != 16) return false;
    return load<u64>(resultPtr) == this.head.epoch && load<u64>(resultPtr, 8) == this.head.snapshotSequence;
  }
}

export class Poller {
  private token: u32 = 0;
  private startedMs: u64 = 0;
  private notBeforeMs: u64 = 0;
  private failures: u32 = 0;
  private urgent: bool = false;
  /** The poll that is under way asks for a snapshot that a VM wants. */
  private wanted: bool = false;
  private readonly headers: HeaderPairs = new HeaderPairs();
  private readonly cluster: Utf8;
  private readonly body: ByteBuilder = new ByteBuilder(4096);

  constructor(
    private readonly configuration: Configuration,
    private readonly metrics: VmMetrics,
    private readonly proxy: u64,
  ) {
    this.cluster = Utf8.of(configuration.indexerCluster);
    this.headers.addText(':method', 'POST');
    this.headers.addText(':path', '/v1/poll');
    this.headers.addText(':authority', configuration.indexerAuthority);
    this.headers.addText('content-type', 'application/json');
    if (configuration.token.length != 0) this.headers.addText('authorization', 'Bearer ' + configuration.token);
  }

  /** Sends the next poll when it is time. */
  tick(pools: PolledPool[], nowMs: u64): void {
    if (this.configuration.indexerCluster.length == 0) return;
    const waiting = this.token != 0 && nowMs < this.startedMs + <u64>(this.configuration.waitMs + 2 * GRACE_MS);
    // A VM that wants a snapshot does not wait for the long poll to end; one such call at a time.
    if (waiting && (this.urgent || !this.anyWanted(pools))) return;
    if (nowMs < this.notBeforeMs) return;
    this.urgent = waiting;
    this.send(pools, nowMs);
  }

  private anyWanted(pools: PolledPool[]): bool {
    for (let i = 0; i < pools.length; i++) {
      const polled = unchecked(pools[i]);
      if (polled.head.read(polled.pool.names.head) && polled.isWanted()) return true;
    }
    return false;
  }

  private send(pools: PolledPool[], nowMs: u64): void {
    const body = this.body.clear();
    body
      .text('{"version":')
      .number(FORMAT_VERSION)
      .text(',"proxy":"')
      .hex(this.proxy)
      .text('","wait_ms":')
      .number(this.configuration.waitMs);
    body.text(',"pools":[');
    this.wanted = false;
    for (let i = 0; i < pools.length; i++) this.describe(unchecked(pools[i]), i != 0);
    body.text('],"inflight":{');
    for (let i = 0; i < pools.length; i++) this.inFlight(unchecked(pools[i]), i != 0, nowMs);
    body.text('}}');
    const timeout = this.configuration.waitMs + GRACE_MS;
    if (httpCall(this.cluster, this.headers, body.ptr, body.length, timeout) != Status.Ok) return this.failed(nowMs);
    this.token = httpCallToken;
    this.startedMs = nowMs;
  }

  private describe(polled: PolledPool, comma: bool): void {
    const pool = polled.pool;
    const head = polled.head;
    const had = head.read(pool.names.head);
    const wanted = had && polled.isWanted();
    const known = had && !wanted;
    this.wanted = this.wanted || wanted;
    const body = this.body;
    if (comma) body.byte(0x2c);
    body.text('{"name":').json(pool.utf8.ptr, pool.utf8.length);
    body
      .text(',"epoch":"')
      .hex(known ? head.epoch : 0)
      .text('","sequence":')
      .number(known ? head.sequence : 0);
    const download = polled.download;
    if (download.next != 0)
      body
        .text(',"snapshot":{"epoch":"')
        .hex(download.epoch)
        .text('","sequence":')
        .number(download.sequence)
        .text(',"next":')
        .number(download.next)
        .byte(0x7d);
    body.byte(0x7d);
  }

  private inFlight(polled: PolledPool, comma: bool, nowMs: u64): void {
    const body = this.body;
    if (comma) body.byte(0x2c);
    body.json(polled.pool.utf8.ptr, polled.pool.utf8.length).text(':{');
    const summary = polled.pool.active;
    if (summary !== null) {
      polled.flights.fold(nowMs);
      let first = true;
      for (let id: u32 = 0; id < summary.endpointLimit; id++) {
        const endpoint = summary.endpoint(id);
        const flying = polled.flights.report(id);
        if (endpoint.present == 0 || flying == 0) continue;
        if (!first) body.byte(0x2c);
        first = false;
        body.json(endpoint.address, endpoint.addressLength).byte(0x3a).number(flying);
      }
    }
    body.byte(0x7d);
  }

  private failed(nowMs: u64): void {
    this.metrics.pollFailures.add(1);
    this.token = 0;
    this.urgent = false;
    const backoff = BACKOFF_MIN_MS << min<u64>(<u64>this.failures, 10);
    this.notBeforeMs = nowMs + min<u64>(backoff, BACKOFF_MAX_MS);
    this.failures++;
  }

  /** An answer came, or one that Envoy made up. Counts only with status 200 and our own header. */
  answered(token: u32, pools: PolledPool[], bodyBytes: u32, nowMs: u64): void {
    if (token != this.token) return;
    const ours =
      getHeader(HeaderMap.HttpCallHeaders, STATUS) == Status.Ok &&
      OK.equals(resultPtr, resultLength) &&
      getHeader(HeaderMap.HttpCallHeaders, FORMAT) == Status.Ok &&
      VERSION.equals(resultPtr, resultLength);
    if (!ours) return this.failed(nowMs);
    for (let i = 0; i < pools.length; i++) unchecked(pools[i]).head.read(unchecked(pools[i]).pool.names.head);
    const whole = bodyBytes == 0 || (getBuffer(Buffer.HttpCallBody, 0, bodyBytes) == Status.Ok && this.takeMessages(pools));
    for (let i = 0; i < pools.length; i++) {
      const polled = unchecked(pools[i]);
      // Who talks nonsense was not heard: its summary must be allowed to age.
      if (whole) polled.head.heardMs = nowMs;
      if (polled.head.epoch != 0) polled.head.write(polled.pool.names.head);
    }
    if (!whole) return this.failed(nowMs);
    this.metrics.polls.add(1);
    this.token = 0;
    this.urgent = false;
    this.failures = 0;
    this.notBeforeMs = nowMs + (this.wanted ? WANTED_PAUSE_MS : 0);
  }

  /** False: something in the answer was refused; the rest of it is taken all the same, as far as it can be told apart. */
  private takeMessages(pools: PolledPool[]): bool {
    let ptr = resultPtr;
    const end = ptr + resultLength;
    let whole = true;
    while (ptr < end) {
      const length = messageLength(ptr, end - ptr);
      if (length == 0 || !this.takeMessage(pools, ptr, length)) {
        this.metrics.messagesRefused.add(1);
        whole = false;
      }
      if (length == 0) break;
      ptr += length;
    }
    return whole;
  }

  private takeMessage(pools: PolledPool[], ptr: usize, length: usize): bool {
    for (let i = 0; i < pools.length; i++) {
      const polled = unchecked(pools[i]);
      const status = checkMessage(ptr, length, polled.pool.number);
      if (status == MessageStatus.Pool) continue;
      if (status != MessageStatus.Ok) return false;
      return kindOfMessage(ptr) == KIND_DELTA ? takeDelta(polled, ptr, length) : takePart(polled, ptr, length);
    }
    return false;
  }
}

function takeDelta(polled: PolledPool, ptr: usize, length: usize): bool {
  const head = polled.head;
  if (epochOf(ptr) != head.epoch || baseSequenceOf(ptr) != head.sequence) return false;
  const sequence = sequenceOf(ptr);
  if (setShared(polled.pool.names.deltas[<u32>(sequence % <u64>DELTA_RING)], ptr, length) != Status.Ok) return false;
  head.sequence = sequence;
  return true;
}

function takePart(polled: PolledPool, ptr: usize, length: usize): bool {
  const head = polled.head;
  const download = polled.download;
  const part = partOf(ptr);
  const parts = partsOf(ptr);
  if (parts == 0 || parts > PARTS_MAX || part >= parts) return false;
  if (part == 0) {
    download.epoch = epochOf(ptr);
    download.sequence = sequenceOf(ptr);
    download.next = 0;
    download.parts = parts;
    download.bank = 1 - head.bank;
  } else if (download.epoch != epochOf(ptr) || download.sequence != sequenceOf(ptr) || download.next != part || download.parts != parts)
    return false;
  if (setShared(polled.pool.names.part(download.bank, part), ptr, length) != Status.Ok) return false;
  download.next = part + 1;
  if (download.next != parts) return true;
  head.bank = download.bank;
  head.epoch = download.epoch;
  head.sequence = download.sequence;
  head.snapshotSequence = download.sequence;
  head.parts = parts;
  download.next = 0;
  return true;
}
