// A simulated vLLM server: real tokens, real KV events, real HTTP; only the tensors are missing. See README.md.
import type { EngineOptions } from './options.js';
import { EngineProcess, type Settings, type Shared } from './process.js';
import { loadSampler } from './sampler.js';
import { portOf } from './sockets.js';
import { ChatTemplate } from './template.js';
import { loadTokenizer } from './tokenizer.js';

export type { EngineOptions, EventOptions, TimingOptions } from './options.js';

/** Counters since the last start or restart, but for `requests`. */
export interface EngineStats {
  /** HTTP requests of any kind, over restarts */
  readonly requests: number;
  /** prefix cache, in tokens */
  readonly queries: number;
  readonly hits: number;
  /** answers that ended by themselves, and those whose client went away */
  readonly finished: number;
  readonly aborted: number;
  readonly running: number;
  readonly waiting: number;
  readonly usedBlocks: number;
  /** different blocks in the cache, used or free */
  readonly cachedBlocks: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

export class Engine {
  private settings: Settings;
  private readonly shared: Shared;
  private process!: EngineProcess;
  private requests = 0;

  private constructor(options: EngineOptions, shared: Shared) {
    this.shared = shared;
    this.settings = {
      version: '0.32',
      model: 'tiny-qwen3',
      aliases: [],
      loras: [],
      blockSize: 16,
      blocks: 2048,
      maxSequences: 16,
      tokenBudget: 2048,
      prefixCaching: true,
      usageDetails: true,
      render: true,
      answerTokens: 128,
      port: 0,
      timing: {},
      events: {},
      ...options,
    };
  }

  /** Ready to serve when it resolves. */
  static async start(options: EngineOptions = {}): Promise<Engine> {
    const tokenizer = await loadTokenizer();
    const shared = { tokenizer, template: new ChatTemplate(tokenizer.chatTemplate), sampler: await loadSampler(tokenizer) };
    const engine = new Engine(options, shared);
    await engine.launch();
    return engine;
  }

  get port(): number {
    return this.process.port;
  }

  /** `127.0.0.1:<port>`: the endpoint, as a pool lists it. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** What the `x-engine` response header says. */
  get name(): string {
    return this.settings.name ?? this.address;
  }

  /** Where to subscribe; undefined when the engine dials a central endpoint or publishes nothing. */
  get eventsEndpoint(): string | undefined {
    return this.process.publisher?.endpoint;
  }

  get replayEndpoint(): string | undefined {
    return this.process.replay?.endpoint;
  }

  get topic(): string | undefined {
    return this.process.publisher?.topic;
  }

  /** Sequence number of the next batch. */
  get nextSequence(): bigint {
    return this.process.publisher?.nextSequence ?? 0n;
  }

  stats(): EngineStats {
    const { scheduler, cache, metrics } = this.process;
    return {
      requests: this.requests,
      queries: scheduler.counts.queries,
      hits: scheduler.counts.hits,
      finished: metrics.finished.length + metrics.finished.stop,
      aborted: metrics.finished.abort,
      running: scheduler.running.length,
      waiting: scheduler.waiting.length,
      usedBlocks: cache.usedBlocks,
      cachedBlocks: cache.cachedHashes,
      promptTokens: metrics.promptTokens,
      cachedTokens: metrics.cachedTokens,
      generatedTokens: metrics.generatedTokens,
    };
  }

  /** What happens to the next `count` event messages on their way to subscribers; replay still has them. */
  injectEventFault(fault: 'drop' | 'duplicate' | 'reorder', count = 1): void {
    this.process.publisher?.inject(fault, count);
  }

  /** Resolves when the event socket has at least so many subscriptions: none of them misses an event from then on. */
  async subscribed(count = 1): Promise<void> {
    await this.process.publisher?.subscribed(count);
  }

  /** Resolves when all events so far have been handed to the socket. */
  async flushEvents(): Promise<void> {
    await this.process.publisher?.flush();
  }

  /** A killed and newly started process on the same ports: connections cut, cache empty, hashes and sequence new. */
  async restart(): Promise<void> {
    await this.stop();
    await this.launch();
  }

  /** Kills the process: what runs is lost, connections are cut. `restart` brings it back. */
  async stop(): Promise<void> {
    await this.process.stop();
  }

  private async launch(): Promise<void> {
    this.process = await EngineProcess.launch(this.settings, this.shared, { name: () => this.name, onRequest: () => this.requests++ });
    const { events } = this.settings;
    const { port, publisher, replay } = this.process;
    const ports = {
      ...(publisher?.endpoint !== undefined && { port: portOf(publisher.endpoint) }),
      ...(replay !== undefined && { replayPort: portOf(replay.endpoint) }),
    };
    this.settings = { ...this.settings, port, events: events === false ? false : { ...events, ...ports } };
  }
}
