// One endpoint: its slot in the index, its event stream, its load.
import type { EngineConfig } from '../config.js';
import type { RankMetrics } from '../engines/metrics-page.js';
import { canonicalBatch } from '../events/canonical.js';
import { type ClearReason, EventStream, type StreamEvent, type StreamOptions } from '../events/stream.js';
import { slotOf } from '../pods/ids.js';
import type { EventCounters } from './event-counters.js';
import type { Plane } from './plane.js';

export interface EndpointOptions {
  readonly id: number;
  readonly config: EngineConfig;
  /** Absent: the pool serves load only, events are not applied. */
  readonly plane: Plane | undefined;
  readonly replay: StreamOptions['replay'];
  readonly counters: EventCounters;
  /** The index changed by so many blocks. */
  readonly changed: (blocks: number) => void;
  readonly cleared: (endpoint: Endpoint, reason: ClearReason) => void;
}

export class Endpoint {
  readonly id: number;
  readonly slot: number;
  readonly config: EngineConfig;
  readonly stream: EventStream;
  ready = false;
  /** The engine was asked for its load at least once, whatever it answered. */
  asked = false;
  load: { readonly metrics: RankMetrics; readonly at: number } | undefined;
  /** State of the connection to a dialled PUB socket; undefined until the first one. */
  connected: boolean | undefined;

  constructor(private readonly options: EndpointOptions) {
    const { id, config, replay } = options;
    this.id = id;
    this.slot = slotOf(id);
    this.config = config;
    this.stream = new EventStream({
      sink: { apply: (payload) => this.apply(payload), clear: (reason) => this.clear(reason) },
      on: (kind: StreamEvent) => options.counters.incident(kind),
      ...(replay && { replay }),
    });
  }

  get residentBlocks(): number {
    return this.options.plane?.residentBlocks(this.slot) ?? 0;
  }

  /** Removes what the index holds of the endpoint. */
  clear(reason: ClearReason): void {
    const { plane, changed, cleared } = this.options;
    if (!plane) return;
    changed(Math.max(1, plane.residentBlocks(this.slot)));
    plane.clear(this.slot);
    cleared(this, reason);
  }

  private apply(payload: Uint8Array): number | undefined {
    const { plane, counters, changed } = this.options;
    if (!plane) return undefined;
    let result = plane.apply(this.slot, payload);
    if (result.status === 'undecodable') {
      const rewritten = canonicalBatch(payload);
      if (rewritten) result = plane.apply(this.slot, rewritten);
      counters.fallback(result.status === 'ok');
    }
    if (result.status !== 'ok') return undefined;
    counters.batch(result);
    const blocks = result.stored + result.removed + result.cleared;
    if (blocks) changed(blocks);
    return result.timestamp > 0 ? result.timestamp : undefined;
  }
}
