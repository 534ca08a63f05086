// Recordings say what an engine did, not when each request reached its scheduler: several that were sent at once may have been
// admitted in any order and step. This search finds an order of admissions under which our engine makes the recorded batches,
// event by event and step by step. Where requests came one at a time there is nothing to find: it just compares.

import type { KvEvent } from '../kv-events.js';
import type { SequenceOptions } from '../sequence.js';
import type { CoreHarness } from './core-harness.js';

export interface Expected {
  readonly name: string;
  readonly options: SequenceOptions;
  /** tokens that the engine said it reused; undefined where it did not say */
  readonly cachedTokens: number | undefined;
}

/** Requests that were in the engine together. */
export interface Group {
  /** what was in the engine; several where that is not recorded */
  readonly variants: readonly (readonly Expected[])[];
  /** reset_prefix_cache came before */
  readonly reset?: boolean;
}

/** The engine after some groups, and how many of the recorded batches it has made. */
export interface State {
  readonly core: CoreHarness;
  readonly batch: number;
}

type Batches = readonly (readonly KvEvent[])[];

export function sameEvent(a: KvEvent, b: KvEvent): boolean {
  if (a.type === 'AllBlocksCleared' || b.type === 'AllBlocksCleared') return a.type === b.type;
  if (a.type === 'BlockRemoved' || b.type === 'BlockRemoved') return a.type === b.type && sameList(a.blockHashes, b.blockHashes);
  return (
    a.parentBlockHash === b.parentBlockHash &&
    a.sessionId === b.sessionId &&
    a.loraName === b.loraName &&
    a.loraId === b.loraId &&
    sameList(a.blockHashes, b.blockHashes) &&
    sameList(a.tokenIds, b.tokenIds) &&
    JSON.stringify(a.extraKeys) === JSON.stringify(b.extraKeys)
  );
}

const sameList = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((value, i) => value === b[i]);

const isPrefix = (events: readonly KvEvent[], batch: readonly KvEvent[]): boolean =>
  events.length <= batch.length && events.every((event, i) => sameEvent(event, batch[i]!));

export class ScheduleSearch {
  /** steps simulated */
  steps = 0;
  /** the furthest batch that any attempt made */
  furthest = 0;
  private readonly batches: Batches;
  private readonly maxSteps: number;

  constructor(batches: Batches, maxSteps: number) {
    this.batches = batches;
    this.maxSteps = maxSteps;
  }

  /** Runs all groups; the states after each, or as many as the best attempt reached. */
  run(start: CoreHarness, groups: readonly Group[]): State[] {
    let best: State[] = [];
    const path: { states: Iterator<State>; current: State }[] = [];
    const first = { core: start, batch: 0 };
    let states = this.runGroup(first, groups[0]!);
    for (;;) {
      const next = states.next();
      if (next.done) {
        const back = path.pop();
        if (back === undefined || this.steps > this.maxSteps) return best;
        states = back.states as Generator<State>;
        continue;
      }
      path.push({ states, current: next.value });
      if (path.length > best.length) best = path.map((entry) => entry.current);
      if (path.length === groups.length) {
        if (next.value.batch === this.batches.length) return best;
        path.pop();
        continue;
      }
      states = this.runGroup(next.value, groups[path.length]!);
    }
  }

  /** All different states in which the group can leave the engine, most likely first. */
  private *runGroup(start: State, group: Group): Generator<State> {
    const seen = new Set<string>();
    for (const requests of group.variants) {
      const core = start.core.clone();
      if (group.reset) core.cache.reset();
      const stack: (State & { readonly pending: readonly Expected[] })[] = [{ core, batch: start.batch, pending: requests }];
      while (stack.length > 0 && this.steps <= this.maxSteps) {
        const node = stack.pop()!;
        const signature = `${node.batch} ${node.pending.map((request) => request.name)} ${node.core.signature()}`;
        if (seen.has(signature)) continue;
        seen.add(signature);
        this.furthest = Math.max(this.furthest, node.batch);
        if (node.pending.length === 0 && node.core.scheduler.idle) yield node;
        else stack.push(...this.nextSteps(node, node.pending, []));
      }
    }
  }

  /** States after one more step; the one that admits most requests, in their order, comes last. */
  private *nextSteps(
    from: State,
    pending: readonly Expected[],
    admitted: readonly Expected[],
  ): Generator<State & { pending: readonly Expected[] }> {
    const batch = this.batches[from.batch] ?? [];
    const core = from.core.clone();
    this.steps++;
    const sequences = admitted.map((request) => core.add(request.options));
    const events = core.step();
    for (const [i, sequence] of sequences.entries()) {
      const expected = admitted[i]!.cachedTokens;
      if (sequence.cachedTokens < 0 || (expected !== undefined && expected !== sequence.cachedTokens)) return;
    }
    if (events !== undefined) {
      if (!isPrefix(events, batch)) return;
      const rest = pending.filter((request) => !admitted.includes(request));
      if (events.length === 0) yield { core, batch: from.batch, pending: rest };
      else if (events.length === batch.length) yield { core, batch: from.batch + 1, pending: rest };
    }
    for (const request of pending.toReversed()) {
      if (!admitted.includes(request)) yield* this.nextSteps(from, pending, [...admitted, request]);
    }
  }
}
