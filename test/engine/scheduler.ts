// vLLM v1's scheduler: one step = decode and prefill of running requests in their order, then admission of waiting ones,
// within one token budget. `schedule` starts a step, `finishStep` ends it: what happens in between is a matter of time only.
import type { KvCache } from './kv-cache.js';
import type { KvEvent } from './kv-events.js';
import type { Sequence } from './sequence.js';

export interface SchedulerOptions {
  /** max_num_seqs */
  readonly maxSequences: number;
  /** max_num_batched_tokens: prefill beyond it goes on in the next step */
  readonly tokenBudget: number;
}

export interface Step {
  /** sequences and how many of their tokens this step computes */
  readonly parts: readonly { readonly sequence: Sequence; readonly tokens: number }[];
  readonly prefillTokens: number;
  readonly decodeTokens: number;
}

export class Scheduler {
  readonly waiting: Sequence[] = [];
  running: Sequence[] = [];
  /** prefix-cache counters, in tokens, and preemptions */
  readonly counts = { queries: 0, hits: 0, preemptions: 0 };
  private readonly cache: KvCache;
  private readonly options: SchedulerOptions;

  constructor(cache: KvCache, options: SchedulerOptions) {
    this.cache = cache;
    this.options = options;
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.running.length === 0;
  }

  /** The sequence's prompt blocks must be hashed already. */
  add(sequence: Sequence): void {
    this.waiting.push(sequence);
  }

  /** Plans the next step and gives it its blocks; undefined when there is nothing to do. */
  schedule(): Step | undefined {
    const parts: { sequence: Sequence; tokens: number }[] = [];
    let budget = this.options.tokenBudget;
    let prefillTokens = 0;
    let decodeTokens = 0;
    const plan = (sequence: Sequence, tokens: number): void => {
      parts.push({ sequence, tokens });
      if (sequence.computed >= sequence.promptLength) decodeTokens += tokens;
      else prefillTokens += tokens;
      sequence.computed += tokens;
      budget -= tokens;
    };

    const preemptionsBefore = this.counts.preemptions;
    for (let i = 0; i < this.running.length && budget > 0; i++) {
      const sequence = this.running[i]!;
      const tokens = Math.min(sequence.tokens.length - sequence.computed, budget);
      let fits = this.cache.allocate(sequence, sequence.computed + tokens, []);
      while (!fits) {
        const last = this.running.pop()!;
        this.preempt(last);
        if (last === sequence) break;
        fits = this.cache.allocate(sequence, sequence.computed + tokens, []);
      }
      if (fits) plan(sequence, tokens);
    }

    while (this.counts.preemptions === preemptionsBefore && this.waiting.length > 0 && budget > 0) {
      if (this.running.length >= this.options.maxSequences) break;
      const sequence = this.waiting[0]!;
      const hit = this.cache.findLongestHit(sequence);
      const reused = hit.length * this.cache.blockSize;
      if (this.cache.blocksNeeded(sequence, sequence.tokens.length, hit) > this.cache.freeBlocks) break;
      const tokens = Math.min(sequence.tokens.length - reused, budget);
      if (!this.cache.allocate(sequence, reused + tokens, hit)) break;
      this.waiting.shift();
      this.running.push(sequence);
      this.countAdmission(sequence, reused);
      sequence.computed = reused;
      plan(sequence, tokens);
    }
    return parts.length > 0 ? { parts, prefillTokens, decodeTokens } : undefined;
  }

  /** Samples, ends what is finished, and returns the step's events. */
  finishStep(step: Step): KvEvent[] {
    for (const { sequence } of step.parts) {
      if (sequence.finish !== null || sequence.computed < sequence.tokens.length) continue;
      sequence.sampleNext();
      if (sequence.finish !== null) this.drop(sequence);
    }
    return this.cache.takeEvents();
  }

  /** Ends a request that nobody waits for any more. */
  abort(sequence: Sequence): void {
    if (sequence.finish !== null) return;
    sequence.abort();
    this.drop(sequence);
  }

  private drop(sequence: Sequence): void {
    this.cache.release(sequence);
    for (const list of [this.running, this.waiting]) {
      const at = list.indexOf(sequence);
      if (at >= 0) list.splice(at, 1);
    }
  }

  private preempt(sequence: Sequence): void {
    this.cache.release(sequence);
    sequence.computed = 0;
    this.waiting.unshift(sequence);
    this.counts.preemptions++;
  }

  private countAdmission(sequence: Sequence, reused: number): void {
    const first = sequence.cachedTokens < 0;
    if (first) {
      sequence.cachedTokens = reused;
      sequence.admittedAt = performance.now();
    }
    if (!first || sequence.skipsCache) return;
    this.counts.queries += sequence.tokens.length;
    this.counts.hits += reused;
  }
}
