// Every metric of the indexer, in one object. Base units. A test checks that each is used.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const DELAY_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const WORK_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(options: { process?: boolean } = {}) {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) => new Counter({ name, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, labelNames: L[]) => new Gauge({ name, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) =>
    new Histogram({ name, help, labelNames, buckets, registers });
  return {
    registry,
    eventMessagesDropped: counter('kvane_event_messages_dropped_total', 'Messages that were no event batch of a known engine, by reason.', [
      'reason',
    ]),
    eventBatches: counter('kvane_event_batches_total', 'Event batches applied to the index.', ['pool']),
    eventBatchesRewritten: counter('kvane_event_batches_rewritten_total', 'Batches that only the fallback decoder could read.', ['pool']),
    eventBatchesUndecodable: counter('kvane_event_batches_undecodable_total', 'Batches that nothing could read.', ['pool']),
    eventBlocks: counter(
      'kvane_event_blocks_total',
      'Blocks of applied events: stored, copied (a further copy), removed, cleared (times).',
      ['pool', 'operation'],
    ),
    eventsSkipped: counter('kvane_events_skipped_total', 'Events, or parts of them, that were skipped, by reason.', ['pool', 'reason']),
    eventDelay: histogram(
      'kvane_event_delay_seconds',
      'From the engine writing a batch to the indexer having applied it.',
      ['pool'],
      DELAY_BUCKETS,
    ),
    streamIncidents: counter('kvane_stream_incidents_total', 'Gaps, duplicates, restarts and replays of event streams.', ['pool', 'kind']),
    streams: gauge('kvane_streams', 'Event streams, by state: complete since the start of the engine, partial, replaying.', [
      'pool',
      'state',
    ]),
    residentBlocks: gauge('kvane_resident_blocks', 'Blocks that the endpoints of a pool are known to hold.', ['pool']),
    wasmMemory: gauge('kvane_index_memory_bytes', 'Wasm memory of the planes of a pool.', ['pool']),
    endpoints: gauge('kvane_endpoints', 'Endpoints, by whether they take requests.', ['pool', 'ready']),
    scrapes: counter('kvane_scrapes_total', 'Scrapes of engine metrics, by result.', ['pool', 'result']),
    scrapeTime: histogram('kvane_scrape_seconds', 'Time of a scrape, the waiting for the engine included.', ['pool'], DELAY_BUCKETS),
    programLearned: gauge('kvane_program_learned', '1 when chats of the pool can be rendered.', ['pool']),
    programRenders: counter('kvane_program_renders_total', 'Renderings asked of engines to learn and verify programs.', ['pool']),
    publications: counter('kvane_publications_total', 'Publications, by kind: delta, or snapshot when only one can carry the change.', [
      'pool',
      'kind',
    ]),
    publicationBytes: counter('kvane_publication_bytes_total', 'Bytes of the deltas made.', ['pool']),
    publishTime: histogram('kvane_publish_seconds', 'Time to make a publication.', ['pool'], WORK_BUCKETS),
    snapshotTime: histogram('kvane_snapshot_seconds', 'Time to make a snapshot for newcomers.', ['pool'], WORK_BUCKETS),
    polls: counter('kvane_polls_total', 'Polls answered, with messages or with nothing, and polls refused, by reason.', ['result']),
    pollAnswerBytes: counter('kvane_poll_answer_bytes_total', 'Bytes of answers to polls.', []),
    pollers: gauge('kvane_pollers_waiting', 'Long polls that wait for a change.', []),
  };
}
