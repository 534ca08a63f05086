// Watches one engine process over HTTP: load, readiness, restarts, models. Ranks that share an address share a watch.
import { type EngineModels, fetchModels } from './api.js';
import { fetchEngine } from './http.js';
import { type RankMetrics, readMetricsPage } from './metrics-page.js';

export interface WatchTimings {
  readonly busyMs: number;
  readonly idleMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
}

export interface WatchHandlers {
  readonly ranks: readonly number[];
  load(rank: number, metrics: RankMetrics): void;
  ready(ready: boolean): void;
  /** Another process answers at this address. */
  restarted(): void;
  models(models: EngineModels): void;
  /** One scrape is over: how long it took, whether it succeeded. */
  scraped?(seconds: number, ok: boolean): void;
}

/** Something happened at the engine so short ago that it counts as busy. */
const BUSY_FOR_MS = 2_000;
const MODELS_EVERY_MS = 30_000;

export class EngineWatch {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private failed = 0;
  private isReady = false;
  private busyUntil = 0;
  private due = 0;
  private lastScrape = 0;
  private lastModels = Number.NEGATIVE_INFINITY;
  private startTime: number | undefined;

  constructor(
    readonly url: string,
    private readonly timings: WatchTimings,
    private readonly handlers: WatchHandlers,
  ) {}

  start(): void {
    void this.scrape();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** The engine has work: scrape it often. */
  touch(): void {
    const now = performance.now();
    this.busyUntil = now + BUSY_FOR_MS;
    const wanted = Math.max(now, this.lastScrape + this.timings.busyMs);
    if (this.timer && wanted < this.due) this.schedule(wanted - now);
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.due = performance.now() + delayMs;
    this.timer = setTimeout(() => void this.scrape(), delayMs);
  }

  private async scrape(): Promise<void> {
    this.timer = undefined;
    const start = performance.now();
    this.lastScrape = start;
    const busy = await this.readLoad().catch(() => undefined);
    this.handlers.scraped?.((performance.now() - start) / 1000, busy !== undefined);
    if (this.stopped) return;
    if (busy === undefined) this.fail();
    else {
      this.failed = 0;
      if (busy) this.busyUntil = start + BUSY_FOR_MS;
      if (!this.isReady) this.setReady(true);
      if (start - this.lastModels >= MODELS_EVERY_MS) {
        this.lastModels = start;
        await this.readModels();
      }
    }
    const often = this.failed > 0 || performance.now() < this.busyUntil;
    this.schedule(Math.max(0, start + (often ? this.timings.busyMs : this.timings.idleMs) - performance.now()));
  }

  /** True when a rank has requests; rejects when the engine does not answer as one. */
  private async readLoad(): Promise<boolean | undefined> {
    const { status, body } = await fetchEngine(`${this.url}/metrics`, { timeoutMs: this.timings.timeoutMs });
    if (status !== 200 || this.stopped) return undefined;
    const page = readMetricsPage(body.toString('latin1'));
    const loads = this.handlers.ranks.map((rank) => [rank, page.rank(rank)] as const);
    if (loads.some(([, load]) => load === undefined)) return undefined;
    this.noteStart(page.startTime);
    for (const [rank, load] of loads) this.handlers.load(rank, load!);
    return loads.some(([, load]) => load!.running + load!.waiting > 0);
  }

  private noteStart(startTime: number | undefined): void {
    if (startTime === undefined) return;
    const changed = this.startTime !== undefined && startTime !== this.startTime;
    this.startTime = startTime;
    if (!changed) return;
    this.lastModels = Number.NEGATIVE_INFINITY;
    this.handlers.restarted();
  }

  private async readModels(): Promise<void> {
    try {
      const models = await fetchModels(this.url, this.timings.timeoutMs);
      if (!this.stopped) this.handlers.models(models);
    } catch {
      // Not every engine lists its models; the configured names stay.
    }
  }

  private fail(): void {
    this.failed++;
    if (this.isReady && this.failed >= this.timings.failures) this.setReady(false);
  }

  private setReady(ready: boolean): void {
    this.isReady = ready;
    this.handlers.ready(ready);
  }
}
