// Drives an engine core without clocks or sockets: tests decide when a request arrives and when a step runs.
import { BlockHasher } from '../block-hash.js';
import { KvCache, type KvCacheOptions } from '../kv-cache.js';
import type { KvEvent } from '../kv-events.js';
import { Scheduler } from '../scheduler.js';
import { Sequence, type SequenceOptions } from '../sequence.js';

export interface CoreOptions extends KvCacheOptions {
  readonly maxSequences?: number;
  readonly tokenBudget?: number;
  readonly hasher?: BlockHasher;
}

export class CoreHarness {
  readonly cache: KvCache;
  readonly scheduler: Scheduler;
  private readonly hasher: BlockHasher;

  constructor(options: CoreOptions) {
    this.cache = new KvCache(options);
    this.scheduler = new Scheduler(this.cache, { maxSequences: options.maxSequences ?? 16, tokenBudget: options.tokenBudget ?? 2048 });
    this.hasher = options.hasher ?? new BlockHasher(options.blockSize);
  }

  /** `options` is never changed and shared between clones. */
  add(options: SequenceOptions): Sequence {
    Object.freeze(options);
    const sequence = new Sequence(options, this.hasher);
    sequence.hashBlocks();
    this.scheduler.add(sequence);
    return sequence;
  }

  /** Runs one step; undefined when the engine is idle. */
  step(): KvEvent[] | undefined {
    const step = this.scheduler.schedule();
    return step && this.scheduler.finishStep(step);
  }

  /** Runs until idle; one list of events per step that had any. */
  drain(): KvEvent[][] {
    const batches: KvEvent[][] = [];
    for (let events = this.step(); events !== undefined; events = this.step()) if (events.length > 0) batches.push(events);
    return batches;
  }

  /** Equal for two cores that will behave alike. */
  signature(): string {
    const sequences = [...this.scheduler.running, ...this.scheduler.waiting].map((s) => [
      numberOf(s.options),
      s.tokens.length,
      s.computed,
      ...s.blocks,
    ]);
    return JSON.stringify([this.cache.layout(), sequences]);
  }

  /** A copy that goes its own way. What is never changed (options, hasher) is shared. */
  clone(): CoreHarness {
    return deepClone(this, new Map<object, object>([[this.hasher, this.hasher]]));
  }
}

const numbers = new WeakMap<SequenceOptions, number>();
let numbered = 0;

function numberOf(options: SequenceOptions): number {
  if (!numbers.has(options)) numbers.set(options, numbered++);
  return numbers.get(options)!;
}

function deepClone<T>(value: T, copies: Map<object, object>): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const known = copies.get(value);
  if (known !== undefined) return known as T;
  if (value instanceof Int32Array) return value.slice() as T;
  if (value instanceof Map) {
    const map = new Map([...value].map(([key, member]) => [key, Array.isArray(member) ? member.slice() : member]));
    return map as T;
  }
  if (Array.isArray(value) && typeof value[0] !== 'object') return value.slice() as T;
  const copy = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value));
  copies.set(value, copy);
  for (const key of Object.keys(value)) copy[key] = deepClone((value as Record<string, unknown>)[key], copies);
  return copy;
}
