// One life of an engine, from start to kill: its cache, its sockets and what they answer. A restart makes a new one on the same ports.
import { BlockHasher } from './block-hash.js';
import { CoreLoop } from './core-loop.js';
import { HttpServer } from './http.js';
import { KvCache } from './kv-cache.js';
import type { KvEvent } from './kv-events.js';
import { RequestMetrics, renderMetrics } from './metrics.js';
import type { EngineOptions, EventOptions } from './options.js';
import { EventPublisher } from './publisher.js';
import { ReplayServer } from './replay.js';
import { routesOf } from './routes.js';
import type { Sample } from './sampler.js';
import { Scheduler } from './scheduler.js';
import type { Lora } from './sequence.js';
import type { ChatTemplate } from './template.js';
import type { Tokenizer } from './tokenizer.js';
import { encodeBatch } from './wire.js';

/** Options with their defaults. */
export type Settings = Required<Omit<EngineOptions, 'maxModelLength' | 'name'>> &
  Pick<EngineOptions, 'maxModelLength' | 'name'> & { readonly events: EventOptions | false };

/** What all engines of this Node process have in common. */
export interface Shared {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  readonly sampler: (promptIds: readonly number[], choice: number) => Sample;
}

export interface Callbacks {
  readonly name: () => string;
  readonly onRequest: () => void;
}

const MOST_MODEL_LENGTH = 40_960;
const DEFAULT_BUFFER_STEPS = 10_000;

export class EngineProcess {
  readonly cache: KvCache;
  readonly scheduler: Scheduler;
  readonly metrics = new RequestMetrics();
  port = 0;
  publisher: EventPublisher | undefined;
  replay: ReplayServer | undefined;
  private readonly settings: Settings;
  private readonly loop: CoreLoop;
  private readonly http: HttpServer;

  private constructor(settings: Settings, shared: Shared, callbacks: Callbacks) {
    this.settings = settings;
    this.cache = new KvCache({ ...settings, uncachedFirst: settings.version !== '0.23' });
    this.scheduler = new Scheduler(this.cache, settings);
    this.loop = new CoreLoop(this.scheduler, settings.timing, (events) => this.publish(events));
    this.http = new HttpServer(this.routes(shared), callbacks.name, callbacks.onRequest);
  }

  static async launch(settings: Settings, shared: Shared, callbacks: Callbacks): Promise<EngineProcess> {
    const process = new EngineProcess(settings, shared, callbacks);
    process.port = await process.http.listen(settings.port);
    if (settings.events !== false) await process.openEvents(settings.events);
    return process;
  }

  /** Kills it: what runs is lost, connections are cut. */
  async stop(): Promise<void> {
    this.loop.stop();
    await Promise.all([this.http.close(), this.publisher?.close(), this.replay?.close()]);
  }

  private async openEvents(options: EventOptions): Promise<void> {
    const topic = options.topic ?? `kv@127.0.0.1:${this.port}@${this.settings.model}`;
    this.publisher = await EventPublisher.open(topic, options);
    if (options.replay === false) return;
    this.replay = await ReplayServer.open({
      topic,
      frames: options.replayFrames ?? (this.settings.version === '0.23' ? 2 : 3),
      bufferSteps: options.bufferSteps ?? DEFAULT_BUFFER_STEPS,
      port: options.replayPort,
    });
  }

  private get rank(): number | null {
    const { events } = this.settings;
    return events === false || events.rank === undefined ? 0 : events.rank;
  }

  private publish(events: readonly KvEvent[]): void {
    const { events: options, version } = this.settings;
    if (options === false || this.publisher === undefined) return;
    const layout = options.layout ?? (version === '0.23' ? 'arrays' : 'maps');
    const payload = encodeBatch(events, Date.now() / 1000, { layout, hashes: options.hashes ?? 'uint64', rank: this.rank });
    const message = this.publisher.publish(payload);
    this.replay?.keep(message);
  }

  private routes(shared: Shared) {
    const { settings, cache, scheduler, loop, metrics } = this;
    const { tokenizer, template, sampler } = shared;
    const { endOfTurnId } = tokenizer;
    const old = settings.version === '0.23';
    const decoder = new TextDecoder();
    return routesOf({
      version: settings.version,
      render: old || settings.render,
      prepare: {
        tokenizer,
        template,
        modelNames: [settings.model, ...settings.aliases],
        loras: new Map(settings.loras.map((name, i): [string, Lora] => [name, { id: i + 1, name }])),
        maxModelLength: settings.maxModelLength ?? Math.min(MOST_MODEL_LENGTH, cache.usableBlocks * settings.blockSize),
      },
      generation: {
        hasher: new BlockHasher(settings.blockSize),
        scheduler,
        loop,
        metrics,
        sampler,
        endOfTurnId,
        answerTokens: settings.answerTokens,
        fullReports: !old,
      },
      answer: { ...settings, endOfTurnId, textOf: (ids) => decoder.decode(tokenizer.decodeBytes(ids)) },
      decode: (ids) => tokenizer.decodeBytes(ids),
      models: () => this.models(),
      metrics: () => this.metricsText(),
      eventSources: () => this.eventSources(),
      reset: () => cache.reset(),
    });
  }

  private models(): unknown {
    const { model, aliases, loras } = this.settings;
    const created = Math.floor(this.metrics.startedAtSeconds);
    const card = (id: string, parent: string | null): unknown => ({ id, object: 'model', created, owned_by: 'vllm', root: model, parent });
    return { object: 'list', data: [...[model, ...aliases].map((id) => card(id, null)), ...loras.map((id) => card(id, model))] };
  }

  private metricsText(): string {
    const { scheduler, cache, settings } = this;
    const { model, version, blockSize, prefixCaching, loras } = settings;
    const adapters = (sequences: readonly { readonly lora: Lora | undefined }[]): string =>
      [...new Set(sequences.flatMap((sequence) => sequence.lora?.name ?? []))].join(',');
    return renderMetrics(
      {
        model,
        version,
        rank: this.rank ?? 0,
        running: scheduler.running.length,
        waiting: scheduler.waiting.length,
        usedBlocks: cache.usedBlocks,
        usableBlocks: cache.usableBlocks,
        blockSize,
        prefixCaching,
        ...scheduler.counts,
        lora:
          loras.length > 0 ? { most: loras.length, running: adapters(scheduler.running), waiting: adapters(scheduler.waiting) } : undefined,
      },
      this.metrics,
    );
  }

  private eventSources(): unknown {
    const { publisher, replay, settings } = this;
    if (publisher === undefined || settings.events === false) return {};
    const anyHost = (endpoint: string): string => endpoint.replace('127.0.0.1', '*');
    const source = {
      enable_kv_cache_events: true,
      publisher: 'zmq',
      endpoint: publisher.endpoint === undefined ? settings.events.dial : anyHost(publisher.endpoint),
      replay_endpoint: replay === undefined ? null : anyHost(replay.endpoint),
      buffer_steps: settings.events.bufferSteps ?? DEFAULT_BUFFER_STEPS,
      hwm: 100_000,
      max_queue_size: 100_000,
      topic: publisher.topic,
    };
    return { [String(this.rank ?? 0)]: source };
  }
}
