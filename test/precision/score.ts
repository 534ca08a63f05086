// From outcomes to what is reported and judged: one row per group, and whether the bars are met. Source: DESIGN section 9.
import { BloomShare } from './bloom.js';
import { type Comparison, isWithin, type Outcome, type Replayed } from './replay.js';
import { assistantBytes, changesUnderNfc, GROUPS, type GroupName, plainTexts } from './requests.js';

/** Least share within one block, of the covered requests. b2b and burst have no bar: there events are still on their way. */
const BARS: Partial<Record<GroupName, number>> = { canonical: 1, own: 0.97, single: 0.95 };

/** Differences of one kind. */
export interface Tally {
  within: number;
  over: number;
  under: number;
  /** Largest differences, bytes; 0 when there is none. */
  maxOverBytes: number;
  maxUnderBytes: number;
}

export interface GroupScore {
  readonly name: GroupName;
  readonly requests: number;
  /** Predicted to the end of the prompt, and the recording tells the truth. */
  readonly covered: number;
  /** Why the others are not; `no_truth`: the recording does not tell. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly engine: Tally;
  /** Byte index against the token-exact replay: our own error. */
  readonly own: Tally;
  /** Token-exact replay against the engine, in tokens: staleness. */
  readonly stale: { readonly exact: number; readonly over: number; readonly under: number };
  /** Requests that are not covered and have credit for their beginning. They may be under; over by more than a block is an error. */
  readonly partial: Tally;
  /** Prompts whose bytes are not as many as the engine's. */
  readonly promptsWrong: number;
  readonly bloom: BloomShare;
  /** Share of (request, row salt) that stays within one block with the Bloom matrix' error on top. */
  readonly bloomWithin: number;
  /** Covered requests that are off by more than one block. */
  readonly misses: readonly Outcome[];
}

export interface Score {
  readonly groups: readonly GroupScore[];
  readonly bloom: BloomShare;
  /** What does not meet a bar; empty when all is well. */
  readonly failures: readonly string[];
  /** Defects outside of the bars, which judge the walk over exact keys: the filter's own copy lacked bits. */
}

function tally(comparisons: readonly Comparison[]): Tally {
  const sum: Tally = { within: 0, over: 0, under: 0, maxOverBytes: 0, maxUnderBytes: 0 };
  for (const one of comparisons) {
    if (isWithin(one)) sum.within++;
    else if (one.bytes > 0) sum.over++;
    else sum.under++;
    sum.maxOverBytes = Math.max(sum.maxOverBytes, one.bytes);
    sum.maxUnderBytes = Math.max(sum.maxUnderBytes, -one.bytes);
  }
  return sum;
}

function scoreGroup(name: GroupName, outcomes: readonly Outcome[], strideBytes: number): GroupScore {
  const covered = outcomes.filter(({ engine }) => engine !== undefined);
  const reasons: Record<string, number> = {};
  for (const { engine, reason } of outcomes) {
    const why = reason === 'covered' ? 'no_truth' : reason;
    if (!engine) reasons[why] = (reasons[why] ?? 0) + 1;
  }
  const stale = covered.flatMap(({ staleTokens }) => staleTokens ?? []);
  const walks = covered.flatMap(({ bloom, engine }) => bloom.map((walk) => ({ ...walk, engine: engine! })));
  const bloom = new BloomShare();
  for (const { extra, remaining, rate } of walks) bloom.add(extra, remaining, rate);
  const within = walks.filter(({ extra, engine }) => isWithin({ ...engine, bytes: engine.bytes + extra * strideBytes })).length;
  return {
    name,
    requests: outcomes.length,
    covered: covered.length,
    reasons,
    engine: tally(covered.map(({ engine }) => engine!)),
    own: tally(covered.flatMap(({ own }) => own ?? [])),
    stale: {
      exact: stale.filter((t) => t === 0).length,
      over: stale.filter((t) => t > 0).length,
      under: stale.filter((t) => t < 0).length,
    },
    partial: tally(outcomes.flatMap(({ partial }) => partial ?? [])),
    promptsWrong: covered.filter(({ promptBytes, truth }) => promptBytes !== truth!.promptBytes).length,
    bloom,
    bloomWithin: walks.length === 0 ? 1 : within / walks.length,
    misses: covered.filter(({ engine }) => !isWithin(engine!)),
  };
}

export function score({ outcomes, strideBytes }: Replayed): Score {
  const groups = GROUPS.map((name) =>
    scoreGroup(
      name,
      outcomes.filter(({ group }) => group === name),
      strideBytes,
    ),
  );
  const bloom = new BloomShare();
  for (const { extra, remaining, rate } of outcomes.flatMap((outcome) => outcome.bloom)) bloom.add(extra, remaining, rate);
  return {
    groups,
    bloom,
    failures: [
      ...groups.flatMap(barFailures),
      ...outcomes.flatMap(outcomeFailures),
      ...bloomFailures(bloom),
      ...behindFilter(outcomes, strideBytes),
    ],
  };
}

function barFailures({ name, covered, engine }: GroupScore): string[] {
  const bar = BARS[name];
  if (bar === undefined || covered === 0 || engine.within >= bar * covered) return [];
  return [`${name}: ${engine.within} of ${covered} within one block, ${(bar * 100).toFixed(0)} % are due`];
}

function bloomFailures(bloom: BloomShare): string[] {
  if (bloom.accepted) return [];
  const { meanStrides, expectedStrides, toleranceStrides, short } = bloom;
  return [
    `Bloom: ${meanStrides.toFixed(5)} strides too many on average, ${expectedStrides.toFixed(5)} ± ${toleranceStrides.toFixed(5)} are due` +
      (short > 0 ? `, and ${short} walks end too early` : ''),
  ];
}

/** What must hold for every single request, whatever its group's bar. */
function outcomeFailures({ request, group, reason, engine, unequal, truth }: Outcome): string[] {
  const failures: string[] = [];
  if (unequal) failures.push('another order of members, or other escapes, give another result');
  const texts = plainTexts(request);
  // A request without truth is one that the engine refused, or that cannot be judged.
  if (truth && texts && reason !== 'covered' && !(reason === 'nfc' && changesUnderNfc(texts)))
    failures.push(`is plain and not covered: ${reason}`);
  if (engine && group === 'own' && !isWithin(engine) && engine.bytes > assistantBytes(request.body))
    failures.push(`over by ${engine.bytes} bytes, more than the engine's own text`);
  return failures.map((failure) => `request ${request.id} (${request.tag}): ${failure}`);
}

/** A filter that is up to date sees at least what the index has; a credit needs two strides (DESIGN section 6). */
function behindFilter(outcomes: readonly Outcome[], strideBytes: number): string[] {
  const behind = outcomes.filter(({ predictedBytes, filterBytes }) => predictedBytes >= 2 * strideBytes && filterBytes < predictedBytes);
  if (behind.length === 0) return [];
  const ids = behind.map(({ request }) => request.id);
  return [`the filter's copy of the summary lacked bits of the index at ${behind.length} requests: ${ids.join(', ')}`];
}
