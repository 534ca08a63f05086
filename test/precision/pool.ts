// The indexer's side: one pool of one endpoint whose events are the recording's, through the indexer's own stream, decoder, plane,
// publisher and poll service.
import { parseConfig } from '../../indexer/config.js';
import type { Message } from '../../indexer/events/frames.js';
import { Endpoint } from '../../indexer/index/endpoint.js';
import { EventCounters } from '../../indexer/index/event-counters.js';
import { Plane } from '../../indexer/index/plane.js';
import { seedsOf } from '../../indexer/index/seeds.js';
import { createMetrics } from '../../indexer/metrics.js';
import { readPoll } from '../../indexer/publish/poll.js';
import { PollService } from '../../indexer/publish/poll-service.js';
import { Publisher } from '../../indexer/publish/publisher.js';
import type { SummaryLoad, SummaryTables } from '../../indexer/publish/summary.js';
import type { Recording, ReqLine } from '../fixtures/recording.js';
import { settingsOf } from './events.js';
import type { Model } from './model.js';

export const POOL = 'recorded';
export const ENGINE = '10.0.0.1:8000';

/** Defects to plant, so that a test sees the bar fail. */
export interface Tampering {
  /** Stride of the index alone; the filter goes on with the right one. */
  readonly indexStrideBytes?: number;
  /** True: this event message is lost. */
  readonly loses?: (message: number) => boolean;
}

export interface PoolSettings {
  readonly blockTokens: number;
  readonly strideBytes: number;
  readonly adapters: ReadonlySet<string>;
}

export class RecordedPool {
  readonly settings: PoolSettings;
  readonly tables: SummaryTables;
  private messages = 0;
  private readonly endpoints: Endpoint[] = [];
  private readonly publisher: Publisher;
  private readonly polls: PollService;

  private constructor(
    private readonly plane: Plane,
    /** A second plane with the same keys, whose row salt may be rotated at will. */
    readonly saltPlane: Plane,
    settings: PoolSettings,
    tables: SummaryTables,
    private readonly tampering: Tampering,
  ) {
    this.settings = settings;
    this.tables = tables;
    const metrics = createMetrics();
    const counters = new EventCounters(metrics, POOL);
    const [config] = poolConfig(settings.blockTokens).engines;
    for (const one of [plane, saltPlane])
      this.endpoints.push(
        new Endpoint({ id: 0, config: config!, plane: one, replay: undefined, counters, changed: () => {}, cleared: () => {} }),
      );
    const load = (): SummaryLoad[] => [{ id: 0, kvUsage: 0.5, running: 0, waiting: 0, inFlight: 0, ageMs: 0 }];
    const residentBlocks = (): number => plane.residentBlocks(0);
    const publishable = { name: POOL, tables, planes: [plane], load, residentBlocks };
    this.publisher = new Publisher(publishable, parseConfig(CONFIG).publish, metrics, () => {});
    this.polls = new PollService(new Map([[POOL, this.publisher]]), metrics);
    this.publisher.start();
  }

  static async create(recording: Recording, model: Model, tampering: Tampering = {}): Promise<RecordedPool> {
    const { blockTokens, adapters } = settingsOf(recording);
    const { strideBytes, bitsPerKey, secret } = poolConfig(blockTokens);
    const seeds = seedsOf(secret);
    const planes: Plane[] = [];
    for (const rowSalt of [1n, 2n]) {
      const plane = await Plane.create({ strideBytes: tampering.indexStrideBytes ?? strideBytes, bitsPerKey, rowSalt, ...seeds });
      plane.loadTokens(model.table);
      planes.push(plane);
    }
    const tables: SummaryTables = {
      parameters: { blockTokens, strideBytes, enabled: true, ageLimitMs: 30_000, ...seeds },
      models: modelsOf(recording, adapters),
      endpoints: [{ id: 0, address: ENGINE, name: 'recorded-0', namespace: 'default', rank: 0, ready: true }],
      programs: [model.program],
    };
    return new RecordedPool(planes[0]!, planes[1]!, { blockTokens, strideBytes, adapters }, tables, tampering);
  }

  receive({ sequence, payload }: Message): void {
    if (this.tampering.loses?.(this.messages++)) return;
    for (const { stream } of this.endpoints) stream.receive(sequence, payload);
  }

  /** Leading keys that the exact table of the index holds now. */
  walk(keys: readonly bigint[]): number {
    const missing = keys.findIndex((key) => !this.plane.hasKey(0, key));
    return missing < 0 ? keys.length : missing;
  }

  /** Publishes what changed since the last time. */
  publish(): void {
    this.publisher.publish();
  }

  /** The answer to a poll, as now. */
  async answer(poll: Uint8Array): Promise<Buffer> {
    const messages = await this.polls.answer({ ...readPoll(Buffer.from(poll).toString()), waitMs: 0 }, new AbortController().signal);
    return Buffer.concat(messages);
  }

  stop(): void {
    this.publisher.stop();
    for (const { stream } of this.endpoints) stream.stop();
  }
}

const CONFIG = { insecure: true, pools: [{ name: POOL, model: 'any', engines: [{ address: ENGINE }] }] };

/** As an operator would write it: the engine's block size, all else by default. */
function poolConfig(blockSize: number) {
  const [pool] = CONFIG.pools;
  return parseConfig({ ...CONFIG, pools: [{ ...pool!, blockSize }] }).pools[0]!;
}

/** Names that requests use are the base model's, unless the engine's events call them adapters. */
function modelsOf(recording: Recording, adapters: ReadonlySet<string>) {
  const asked = recording.run.filter((line): line is ReqLine => line.k === 'req').map(({ body }) => body?.model as unknown);
  const names = new Set([...asked.filter((name) => typeof name === 'string' && name !== ''), ...adapters] as string[]);
  return [...names].map((name) => ({ name, adapter: adapters.has(name) }));
}
