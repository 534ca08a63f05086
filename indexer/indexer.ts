// The daemon, put together: pools → publishers → HTTP server, and the central event endpoint.
import { type Logger, pino } from 'pino';
import { type Config, type ConfigContext, type ConfigInput, parseConfig } from './config.js';
import { closeIdleConnections } from './engines/http.js';
import { Replayer } from './events/replay.js';
import { EventRouter } from './events/router.js';
import { bindSource, type Source } from './events/sources.js';
import { Pool } from './index/pool.js';
import { createMetrics, type Metrics } from './metrics.js';
import { InFlight } from './publish/in-flight.js';
import type { Poll } from './publish/poll.js';
import { PollService } from './publish/poll-service.js';
import { Publisher } from './publish/publisher.js';
import { startServer } from './publish/server.js';
import { collectGauges, type PoolStatus, poolStatus } from './status.js';

export interface IndexerOptions extends ConfigContext {
  readonly log?: Logger;
  /** Also metrics of the Node process. */
  readonly processMetrics?: boolean;
}

export interface Indexer {
  /** Base URL of the HTTP server. */
  readonly url: string;
  /** Where engines dial; undefined when `events` is not configured. */
  readonly eventsAddress: string | undefined;
  readonly config: Config;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly publishers: ReadonlyMap<string, Publisher>;
  readonly metrics: Metrics;
  isReady(): boolean;
  status(): PoolStatus[];
  stop(): Promise<void>;
}

/** Starts an indexer from the content of a configuration file. Throws `config.invalid` before anything is opened. */
export async function startIndexer(input: ConfigInput, options: IndexerOptions = {}): Promise<Indexer> {
  return runIndexer(parseConfig(input, options), options);
}

export async function runIndexer(
  config: Config,
  { log = pino({ level: 'silent' }), processMetrics = false }: IndexerOptions = {},
): Promise<Indexer> {
  const metrics = createMetrics({ process: processMetrics });
  const replayer = new Replayer();
  const inFlight = new InFlight();
  const pools = config.pools.map((pool) => new Pool(pool, { settings: config, replayer, inFlight, metrics, log }));
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  const publishers = new Map<string, Publisher>();
  const polls = new PollService(publishers, metrics);
  for (const pool of pools)
    publishers.set(
      pool.name,
      publisherOf(pool, config, metrics, () => polls.wake()),
    );

  const started: { close(): unknown }[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll());
  const stopAll = async (): Promise<void> => {
    polls.stop();
    for (const publisher of publishers.values()) publisher.stop();
    for (const pool of pools) pool.stop();
    for (const one of started.reverse()) await one.close();
    closeIdleConnections();
  };
  try {
    // The server first: a port that is taken should end the start before engines are bothered.
    const server = await startServer({
      ...config.listen,
      token: config.token,
      polls,
      metrics,
      log,
      polled: (poll) => notePoll(poll, inFlight, byName, publishers),
      ready: () => pools.every((pool) => pool.isReady),
      pools: () => pools.map((pool) => poolStatus(pool, publishers.get(pool.name)!)),
      collect: () => collectGauges(metrics, pools),
    });
    started.push(server);
    for (const pool of pools) await pool.start();
    for (const publisher of publishers.values()) publisher.start();
    const events = config.events && (await centralSource(config.events, pools, metrics, log));
    if (events) started.push(events);
    log.info({ url: server.url, events: events?.address, pools: pools.map(({ name }) => name) }, 'indexer started');
    return {
      url: server.url,
      eventsAddress: events?.address,
      config,
      pools: byName,
      publishers,
      metrics,
      isReady: () => pools.every((pool) => pool.isReady),
      status: () => pools.map((pool) => poolStatus(pool, publishers.get(pool.name)!)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function publisherOf(pool: Pool, config: Config, metrics: Metrics, wake: () => void): Publisher {
  const publisher = new Publisher(pool, config.publish, metrics, wake);
  pool.onTables = () => publisher.tablesChanged();
  pool.onBlocks = (blocks) => publisher.blocksChanged(blocks);
  pool.onLoad = () => publisher.loadChanged();
  return publisher;
}

function centralSource(events: NonNullable<Config['events']>, pools: readonly Pool[], metrics: Metrics, log: Logger): Promise<Source> {
  const engines = pools.flatMap((pool) =>
    [...pool.endpoints.values()].map(({ config: { name, address, rank }, stream }) => ({ name, address, rank, stream })),
  );
  const router = new EventRouter(events.topicPrefix, engines);
  return bindSource(events.bind, events.topicPrefix, {
    message: (frames) => {
      const problem = router.route(frames);
      if (problem) metrics.eventMessagesDropped.inc({ reason: problem });
    },
    failed: (err) => log.error({ err }, 'central event socket failed'),
  });
}

/** Takes a proxy's in-flight counts; engines with requests are worth watching. */
function notePoll(poll: Poll, inFlight: InFlight, pools: ReadonlyMap<string, Pool>, publishers: ReadonlyMap<string, Publisher>): void {
  inFlight.report(poll.proxy, poll.inFlight);
  for (const [name, addresses] of Object.entries(poll.inFlight)) {
    const pool = pools.get(name);
    if (!pool) continue;
    for (const [address, requests] of Object.entries(addresses)) if (requests > 0) pool.touch(address);
    publishers.get(name)?.loadChanged();
  }
}
