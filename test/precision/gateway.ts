// The proxy's side: the release filter.wasm in the Node host. It polls the recorded pool, gets real bodies through its stream
// callbacks, and is asked what it made of them.
import { join } from 'node:path';
import { FORMAT_VERSION } from '../../assembly/core/summary/format.js';
import { instantiateCore, unsigned } from '../../indexer/index/core.js';
import type { ReqLine } from '../fixtures/recording.js';
import { type FilterModule, Host, loadModule, type Stream } from '../host/index.js';
import { packageRoot } from './model.js';
import { ENGINE, POOL, type RecordedPool } from './pool.js';
import type { WrittenBody } from './requests.js';

/** What the filter made of one request. */
export interface Decision {
  /** `covered`, or why there is no more credit than there is. */
  readonly reason: string;
  readonly promptBytes: number;
  readonly keys: readonly bigint[];
  /** Strides that it believes the engine to hold, by the published bits. */
  readonly match: number;
}

const CLUSTER = 'engines';
const INDEXER = 'kvane-indexer';
const TICK_MS = 25;
const DESTINATION = 'x-gateway-destination-endpoint';
const CONFIGURATION = { pools: [{ name: POOL, clusters: [CLUSTER] }], indexer: { cluster: INDEXER }, tickMs: TICK_MS };
/** Rounds of poll and answer that bring a filter up to date; a snapshot of many parts takes one per answer. */
const ROUNDS_MAX = 1_000;
/** Ticks in which a worker applies what one answer brought. */
const TICKS = 4;

let compiled: FilterModule | undefined;

interface ReasonNames {
  reason_name(number: number): number;
  readonly memory: WebAssembly.Memory;
}

/** Names of reasons by number, from core: the same table that the filter's metrics use. */
class Reasons {
  private readonly core = instantiateCore() as unknown as ReasonNames;

  name(number: number): string {
    const ptr = this.core.reason_name(number);
    const bytes = new DataView(this.core.memory.buffer).getUint32(ptr - 4, true);
    return Buffer.from(this.core.memory.buffer, ptr, bytes).toString('utf16le');
  }
}

export class Gateway {
  private readonly reasons = new Reasons();

  private constructor(
    private readonly host: Host,
    private readonly pool: RecordedPool,
  ) {}

  static async start(pool: RecordedPool): Promise<Gateway> {
    compiled ??= loadModule(join(packageRoot(), 'dist/filter.wasm'));
    const host = await Host.start({
      wasm: compiled,
      configuration: JSON.stringify(CONFIGURATION),
      clusters: { [CLUSTER]: [ENGINE], [INDEXER]: ['10.0.0.9:8600'] },
    });
    return new Gateway(host, pool);
  }

  /** Publishes, and lets the filter poll until it has everything. */
  async synchronise(): Promise<void> {
    const { host, pool } = this;
    pool.publish();
    for (let round = 0; ; round++) {
      let sent = 0;
      host.advance(TICKS * TICK_MS);
      for (const call of host.calls()) {
        const body = await pool.answer(call.body);
        sent += body.length;
        call.respond({ status: 200, headers: { 'x-kvane-format': `${FORMAT_VERSION}` }, body });
      }
      host.takeTrace();
      if (sent === 0 && round > 0) return;
      if (round === ROUNDS_MAX) throw new Error('the filter does not come up to date');
    }
  }

  /** Sends one request through the filter. */
  decide({ path, headers }: ReqLine, { bytes, readBytes }: WrittenBody): Decision {
    const { host } = this;
    const stream = host.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: bytes,
      readBytes,
      cluster: CLUSTER,
    });
    const decision = this.read(stream);
    host.takeTrace();
    return decision;
  }

  stop(): void {
    this.host.stop();
  }

  private read(stream: Stream): Decision {
    const { root } = stream;
    const { state, upstream } = stream.result;
    if (!root || state !== 'done') throw new Error(`a request did not reach the engine: ${state}`);
    // With one endpoint every request that is decided about has a destination; what has none was let pass unread.
    if (upstream?.headers[DESTINATION] === undefined) return { reason: 'path', promptBytes: 0, keys: [], match: 0 };
    const ask = (name: string, ...parameters: number[]): number | bigint => {
      const answer: number | bigint | undefined = root.vm.call(root, name, ...parameters);
      if (answer === undefined) throw new Error(`filter.wasm does not export ${name}`);
      return answer;
    };
    return {
      reason: this.reasons.name(Number(ask('kvane_reason'))),
      promptBytes: Number(ask('kvane_prompt_bytes')),
      keys: Array.from({ length: Number(ask('kvane_strides')) }, (_, i) => unsigned(BigInt(ask('kvane_key', i)))),
      match: Number(ask('kvane_match', 0)),
    };
  }
}
