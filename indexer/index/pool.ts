// One pool: endpoints, their planes, streams and load, render programs → the tables of its summary.
import type { Logger } from 'pino';
import type { Config, EngineConfig, PoolConfig } from '../config.js';
import { EngineRenderer } from '../engines/api.js';
import { EngineWatch } from '../engines/watch.js';
import { describe } from '../errors.js';
import { readMessage } from '../events/frames.js';
import type { Replayer } from '../events/replay.js';
import { dialSource, type Source } from '../events/sources.js';
import type { Metrics } from '../metrics.js';
import { EndpointIds, groupOf } from '../pods/ids.js';
import { type PodSource, staticPods } from '../pods/source.js';
import type { InFlight } from '../publish/in-flight.js';
import type { SummaryLoad, SummaryTables } from '../publish/summary.js';
import { ProgramKeeper } from '../templates/keeper.js';
import { loadTokenTable } from '../tokens/load.js';
import type { TokenTable } from '../tokens/table.js';
import { Endpoint } from './endpoint.js';
import { EventCounters } from './event-counters.js';
import { Plane } from './plane.js';
import { PoolTables } from './pool-tables.js';
import { seedsOf } from './seeds.js';

export interface PoolDependencies {
  readonly settings: Pick<Config, 'scrape' | 'publish'>;
  readonly replayer: Replayer;
  readonly inFlight: InFlight;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** How long a pool waits for engines, streams and rendering before it counts as ready without them. */
const READY_TIMEOUT_MS = 10_000;

export class Pool {
  readonly name: string;
  readonly endpoints = new Map<string, Endpoint>();
  /** Undefined: load only, for `tableReason`. */
  readonly table: TokenTable | undefined;
  readonly tableReason: string | undefined;
  readonly planes: Plane[] = [];
  readonly keeper: ProgramKeeper | undefined;
  /** Set by the publisher. */
  onTables: () => void = () => {};
  onBlocks: (blocks: number) => void = () => {};
  onLoad: () => void = () => {};

  private readonly log: Logger;
  private readonly ids = new EndpointIds();
  private readonly pods: PodSource;
  private readonly sources: Source[] = [];
  private readonly watches = new Map<string, EngineWatch>();
  private readonly seeds;
  private readonly abort = new AbortController();
  private readonly summary: PoolTables;
  private startedAt = 0;

  constructor(
    readonly config: PoolConfig,
    private readonly deps: PoolDependencies,
  ) {
    this.name = config.name;
    this.log = deps.log.child({ pool: config.name });
    this.seeds = seedsOf(config.secret);
    this.pods = staticPods(config.engines);
    const loaded = this.readTable();
    this.table = loaded.table;
    this.tableReason = loaded.reason;
    const { blockTokens, strideBytes } = config;
    const parameters = { blockTokens, strideBytes, enabled: true, ageLimitMs: deps.settings.publish.ageLimitMs, ...this.seeds };
    this.summary = new PoolTables(parameters, [config.model, ...config.aliases], () => this.onTables());
    if (this.table) this.keeper = this.makeKeeper(this.table);
  }

  /** As of now; a part that did not change is the same object as before. */
  get tables(): SummaryTables {
    return this.summary.tables;
  }

  async start(): Promise<void> {
    if (this.config.secretGuessable)
      this.log.warn('no secret is configured: the hashes of this pool are seeded with its name, which can be guessed');
    this.startedAt = Date.now();
    let engines: readonly EngineConfig[] = [];
    this.pods.start((found) => (engines = found));
    for (const engine of engines) await this.add(engine);
    this.summary.setEndpoints([...this.endpoints.values()]);
    this.keeper?.start();
    for (const engine of engines) this.watch(engine.url);
    for (const endpoint of this.endpoints.values()) this.follow(endpoint);
  }

  stop(): void {
    this.abort.abort();
    this.pods.stop();
    this.keeper?.stop();
    for (const watch of this.watches.values()) watch.stop();
    for (const source of this.sources) source.close();
    for (const endpoint of this.endpoints.values()) endpoint.stream.stop();
  }

  /** Table, program, engines and streams are there, or it is known why not. */
  get isReady(): boolean {
    if (this.timedOut) return true;
    const settled = ({ config, asked, connected, stream }: Endpoint): boolean =>
      asked && (!this.table || ((!config.events || connected === true) && !stream.isReplaying));
    return (this.keeper?.settled ?? true) && [...this.endpoints.values()].every(settled);
  }

  private get timedOut(): boolean {
    return this.startedAt > 0 && Date.now() - this.startedAt > READY_TIMEOUT_MS;
  }

  load(): SummaryLoad[] {
    const now = performance.now();
    const sharing = new Map<string, number>();
    for (const { config } of this.endpoints.values()) sharing.set(config.address, (sharing.get(config.address) ?? 0) + 1);
    return [...this.endpoints.values()].flatMap(({ id, config, load, ready }) => {
      if (!load || !ready) return [];
      const { kvUsage, running, waiting } = load.metrics;
      const inFlight = Math.round(this.deps.inFlight.total(this.name, config.address) / sharing.get(config.address)!);
      return [{ id, kvUsage, running, waiting, inFlight, ageMs: Math.round(now - load.at) }];
    });
  }

  residentBlocks(): number {
    let sum = 0;
    for (const endpoint of this.endpoints.values()) sum += endpoint.residentBlocks;
    return sum;
  }

  /** Proxies have requests at this address: its engine is worth watching. */
  touch(address: string): void {
    for (const { config } of this.endpoints.values()) if (config.address === address) this.watches.get(config.url)?.touch();
  }

  private readTable(): { table: TokenTable | undefined; reason: string | undefined } {
    const { tokenizer } = this.config;
    if (tokenizer === undefined) return { table: undefined, reason: 'no tokenizer is configured' };
    try {
      return { table: loadTokenTable(tokenizer), reason: undefined };
    } catch (error) {
      this.log.error({ err: error }, `tokenizer refused, the pool serves load only: ${describe(error)}`);
      return { table: undefined, reason: describe(error) };
    }
  }

  private async add(config: EngineConfig): Promise<void> {
    const id = this.ids.take(`${config.address}/${config.rank}`);
    if (id === undefined) {
      this.log.error({ engine: config.name }, 'no endpoint id is left, the engine is ignored');
      return;
    }
    const { replayer, metrics } = this.deps;
    const { replay } = config;
    const endpoint = new Endpoint({
      id,
      config,
      plane: this.table && (await this.planeOf(groupOf(id))),
      replay: replay && this.table ? (from, onBatch, signal) => replayer.replay(replay, from, onBatch, signal) : undefined,
      counters: new EventCounters(metrics, this.name),
      changed: (blocks) => {
        this.onBlocks(blocks);
        this.watches.get(config.url)?.touch();
      },
      cleared: (_, reason) =>
        this.log.warn({ engine: config.name, rank: config.rank, reason }, 'engine restarted: its blocks are forgotten'),
    });
    this.endpoints.set(`${config.address}/${config.rank}`, endpoint);
  }

  private async planeOf(group: number): Promise<Plane> {
    const { strideBytes, bitsPerKey } = this.config;
    while (this.planes.length <= group) {
      const plane = await Plane.create({ plane: this.planes.length, group: this.planes.length, strideBytes, bitsPerKey, ...this.seeds });
      plane.loadTokens(this.table!);
      this.planes.push(plane);
    }
    return this.planes[group]!;
  }

  /** Dials the endpoint's PUB socket; engines that dial us are asked for their history only. */
  private follow(endpoint: Endpoint): void {
    const { events, name } = endpoint.config;
    if (!this.table) return;
    if (!events) {
      endpoint.stream.connected();
      return;
    }
    const { metrics } = this.deps;
    const source = dialSource(events, {
      message: (frames) => {
        const message = readMessage(frames);
        if (typeof message === 'string') metrics.eventMessagesDropped.inc({ reason: message });
        else endpoint.stream.receive(message.sequence, message.payload);
      },
      connection: (up) => {
        endpoint.connected = up;
        this.log.info({ engine: name, events }, up ? 'events connected' : 'events disconnected');
        if (up) endpoint.stream.connected();
      },
      failed: (err) => this.log.error({ err, engine: name }, 'event socket failed'),
    });
    this.sources.push(source);
  }

  private watch(url: string): void {
    if (this.watches.has(url)) return;
    const here = [...this.endpoints.values()].filter(({ config }) => config.url === url);
    const { metrics } = this.deps;
    let restarts = 0;
    const restartsNow = (): number => here.reduce((sum, { stream }) => sum + stream.restarts, 0);
    const watch = new EngineWatch(url, this.deps.settings.scrape, {
      ranks: here.map(({ config }) => config.rank),
      load: (rank, load) => {
        for (const endpoint of here) if (endpoint.config.rank === rank) endpoint.load = { metrics: load, at: performance.now() };
        restarts = restartsNow();
        this.onLoad();
      },
      ready: (ready) => {
        for (const endpoint of here) endpoint.ready = ready;
        this.log.info({ url }, ready ? 'engine answers' : 'engine does not answer, withdrawn');
        this.summary.setEndpoints([...this.endpoints.values()]);
        if (ready) this.keeper?.wake();
      },
      restarted: () => {
        // The event stream may have told the same already.
        if (restartsNow() === restarts) for (const { stream } of here) stream.reset();
        this.keeper?.wake();
      },
      models: (models) => this.summary.setModels(url, models),
      scraped: (seconds, ok) => {
        for (const endpoint of here) endpoint.asked = true;
        metrics.scrapes.inc({ pool: this.name, result: ok ? 'ok' : 'failed' });
        if (ok) metrics.scrapeTime.observe({ pool: this.name }, seconds);
      },
    });
    this.watches.set(url, watch);
    watch.start();
  }

  private makeKeeper(table: TokenTable): ProgramKeeper {
    const { model, rendering } = this.config;
    const { metrics } = this.deps;
    const ready = (): string[] => [
      ...new Set([...this.endpoints.values()].filter((endpoint) => endpoint.ready).map(({ config }) => config.url)),
    ];
    const keeper = new ProgramKeeper({
      nfc: table.nfc,
      completionPrefix: table.completionPrefix,
      renderers: () => (rendering === 'none' ? [] : ready().map((url) => new EngineRenderer(url, model, table, 10_000, this.abort.signal))),
      rendered: (chats) => metrics.programRenders.inc({ pool: this.name }, chats),
      changed: (program, result) => {
        if (result) {
          const { reason, refused, renders, verified, covered } = result;
          this.log.info(
            { reason, refused, renders, verified, covered },
            reason ? `chats cannot be rendered: ${reason}` : 'chat rendering learned',
          );
        }
        this.summary.setPrograms([program]);
      },
    });
    if (rendering === 'none') {
      keeper.state = 'off';
      keeper.reason = 'rendering is none';
      keeper.settled = true;
    }
    return keeper;
  }
}
