// One HTTP request's work in the engine: a sequence per prompt and choice, and what has come out of each so far.
import { setImmediate as turn } from 'node:timers/promises';
import type { BlockHasher } from './block-hash.js';
import type { CoreLoop } from './core-loop.js';
import type { RequestMetrics } from './metrics.js';
import type { Prepared } from './prepare.js';
import type { Sample } from './sampler.js';
import type { Scheduler } from './scheduler.js';
import { type FinishReason, Sequence } from './sequence.js';

export interface GenerationContext {
  readonly hasher: BlockHasher;
  readonly scheduler: Scheduler;
  readonly loop: CoreLoop;
  readonly metrics: RequestMetrics;
  readonly sampler: (promptIds: readonly number[], choice: number) => Sample;
  readonly endOfTurnId: number;
  readonly answerTokens: number;
  readonly fullReports: boolean;
}

export interface Choice {
  readonly index: number;
  readonly sequence: Sequence;
  readonly ids: number[];
  finish: FinishReason | null;
}

const BLOCKS_PER_TURN = 512;

export class Generation {
  readonly choices: Choice[];
  /** all choices have ended */
  readonly done: Promise<void>;
  /** called for each token */
  onToken: (choice: Choice, id: number) => void = () => {};
  private readonly context: GenerationContext;
  private readonly prepared: Prepared;
  private resolve!: () => void;
  private open: number;

  constructor(context: GenerationContext, prepared: Prepared) {
    this.context = context;
    this.prepared = prepared;
    this.done = new Promise((resolve) => {
      this.resolve = resolve;
    });
    this.choices = prepared.prompts.flatMap((promptIds, prompt) =>
      Array.from({ length: prepared.choices }, (_, choice) => this.choice(promptIds, prompt * prepared.choices + choice)),
    );
    this.open = this.choices.length;
  }

  /** Hashes the prompts, in turns of the event loop when they are long, and hands the sequences to the scheduler. */
  async start(): Promise<void> {
    for (const { sequence } of this.choices) while (!sequence.hashBlocks(BLOCKS_PER_TURN)) await turn();
    for (const { sequence } of this.choices) if (sequence.finish === null) this.context.loop.submit(sequence);
  }

  abort(): void {
    for (const { sequence } of this.choices) this.context.scheduler.abort(sequence);
  }

  private choice(promptIds: readonly number[], index: number): Choice {
    const { prepared, context } = this;
    const forced = prepared.forcedIds?.[index];
    const random = context.sampler(promptIds, index);
    const free = forced === undefined && !prepared.ignoreEos;
    const answer = Math.min(prepared.maxTokens, context.answerTokens);
    const sequence = new Sequence(
      {
        promptIds,
        maxTokens: prepared.maxTokens,
        sample: (i) => forced?.[i] ?? (free && i === answer - 1 && answer < prepared.maxTokens ? context.endOfTurnId : random(i)),
        stopId: prepared.ignoreEos ? undefined : context.endOfTurnId,
        cacheSalt: prepared.cacheSalt,
        lora: prepared.lora,
        sessionId: context.fullReports ? prepared.sessionId : undefined,
        skipsCache: prepared.skipsCache,
        reportsFull: prepared.reportsFull && context.fullReports,
        onToken: (id, finish) => this.took(choice, id, finish),
      },
      context.hasher,
    );
    const choice: Choice = { index, sequence, ids: [], finish: null };
    return choice;
  }

  private took(choice: Choice, id: number, finish: FinishReason | null): void {
    const { metrics } = this.context;
    const { sequence } = choice;
    const now = performance.now();
    if (id >= 0) {
      choice.ids.push(id);
      metrics.generatedTokens++;
      if (choice.ids.length === 1) {
        metrics.firstToken.observe((now - sequence.arrivedAt) / 1000);
        metrics.queued.observe((sequence.admittedAt - sequence.arrivedAt) / 1000);
        metrics.promptTokens += sequence.promptLength;
        metrics.cachedTokens += sequence.cachedTokens;
      } else metrics.betweenTokens.observe((now - sequence.lastTokenAt) / 1000);
      sequence.lastTokenAt = now;
    }
    choice.finish = finish;
    if (finish !== null) {
      metrics.finished[finish]++;
      if (finish !== 'abort') metrics.whole.observe((now - sequence.arrivedAt) / 1000);
    }
    this.onToken(choice, id);
    if (finish !== null && --this.open === 0) this.resolve();
  }
}
