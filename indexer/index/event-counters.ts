import type { Metrics } from '../metrics.js';
import type { BatchResult } from './plane.js';

/** Event metrics of one pool, with the label look-ups done beforehand: this runs per batch. */
export class EventCounters {
  private readonly batches;
  private readonly delay;
  private readonly blocks;

  constructor(
    private readonly metrics: Metrics,
    private readonly pool: string,
  ) {
    const blocks = (operation: string) => metrics.eventBlocks.labels({ pool, operation });
    this.batches = metrics.eventBatches.labels({ pool });
    this.delay = metrics.eventDelay.labels({ pool });
    this.blocks = { stored: blocks('stored'), copies: blocks('copied'), removed: blocks('removed'), cleared: blocks('cleared') };
  }

  batch(result: BatchResult): void {
    const { blocks } = this;
    this.batches.inc();
    if (result.stored) blocks.stored.inc(result.stored);
    if (result.copies) blocks.copies.inc(result.copies);
    if (result.removed) blocks.removed.inc(result.removed);
    if (result.cleared) blocks.cleared.inc(result.cleared);
    if (result.timestamp > 0) this.delay.observe(Math.max(0, Date.now() / 1000 - result.timestamp));
    for (const [reason, events] of Object.entries(result.skipped)) this.metrics.eventsSkipped.inc({ pool: this.pool, reason }, events);
  }

  /** A batch that core did not read: whether the fallback decoder could. */
  fallback(readable: boolean): void {
    const counter = readable ? this.metrics.eventBatchesRewritten : this.metrics.eventBatchesUndecodable;
    counter.inc({ pool: this.pool });
  }

  incident(kind: string): void {
    this.metrics.streamIncidents.inc({ pool: this.pool, kind });
  }
}
