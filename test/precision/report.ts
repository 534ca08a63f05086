// The report of one recording, for people (a table, the worst cases, what fails) and for machines (JSON).
import { isWithin, type Outcome, type Replayed } from './replay.js';
import type { GroupScore, Score } from './score.js';

/** Misses of a group that are shown. */
const SHOWN = 5;

const COLUMNS = [
  'group',
  'requests',
  'covered',
  'within',
  'over',
  'under',
  'max over B',
  'max under B',
  'index within',
  'index over',
  'index under',
  'stale exact',
  'stale over',
  'stale under',
  'bloom strides',
  'bloom within',
];

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const share = (part: number, whole: number): string => (whole === 0 ? '-' : `${part} (${percent(part / whole)})`);

function row({ name, requests, covered, engine, own, stale, bloom, bloomWithin }: GroupScore): string[] {
  const cells = [
    name,
    requests,
    covered,
    share(engine.within, covered),
    engine.over,
    engine.under,
    engine.maxOverBytes,
    engine.maxUnderBytes,
    own.within,
    own.over,
    own.under,
    stale.exact,
    stale.over,
    stale.under,
    bloom.walks === 0 ? '-' : `+${bloom.meanStrides.toFixed(4)}`,
    bloom.walks === 0 ? '-' : percent(bloomWithin),
  ];
  return cells.map(String);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  return rows.map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')).join('\n');
}

/** Where the difference comes from. */
function causeOf({ own, staleTokens }: Outcome): string {
  if (!own || staleTokens === undefined) return 'unknown: no prompt ids in the recording';
  if (isWithin(own)) return `staleness: a token-exact index is off by ${staleTokens} tokens`;
  return staleTokens === 0 ? 'own error: a token-exact index is right' : `both: a token-exact index is off by ${staleTokens} tokens`;
}

function missLine(miss: Outcome): string {
  const { request, engine, predictedBytes, truth } = miss;
  const off = `${engine!.bytes > 0 ? 'over' : 'under'} by ${Math.abs(engine!.bytes)} B (allowed ${engine!.tolerance})`;
  return `  ${request.id} ${request.tag}: predicted ${predictedBytes} B, engine ${truth!.cachedBytes} B, ${off}; ${causeOf(miss)}`;
}

const worstFirst = (misses: readonly Outcome[]): Outcome[] =>
  [...misses].sort((a, b) => Math.abs(b.engine!.bytes) - Math.abs(a.engine!.bytes));

export function reportText(
  dir: string,
  { blockTokens, strideBytes, excluded, outcomes }: Replayed,
  { groups, bloom, failures }: Score,
): string {
  const lines = [
    `${dir}: blocks of ${blockTokens} tokens, strides of ${strideBytes} B, ${outcomes.length} requests, ${excluded} excluded`,
    '',
  ];
  lines.push(table([COLUMNS, ...groups.map(row)]), '');
  for (const { name, reasons } of groups) {
    const text = Object.entries(reasons).map(([reason, count]) => `${reason} ${count}`);
    if (text.length > 0) lines.push(`not covered, ${name}: ${text.join(', ')}`);
  }
  for (const { name, misses } of groups) {
    if (misses.length === 0) continue;
    lines.push(`off by more than one block, ${name}: ${misses.length}`, ...worstFirst(misses).slice(0, SHOWN).map(missLine));
  }
  for (const { name, partial } of groups) {
    if (partial.over > 0) lines.push(`not covered, ${name}: the beginning of ${partial.over} is over by more than one block`);
  }
  const wrong = groups.reduce((sum, { promptsWrong }) => sum + promptsWrong, 0);
  if (wrong > 0) lines.push(`prompts whose rendering has not as many bytes as the engine's: ${wrong}`);
  const { meanStrides, expectedStrides, toleranceStrides, walks } = bloom;
  if (walks > 0)
    lines.push(
      `Bloom: +${meanStrides.toFixed(5)} strides over ${walks} walks; due: ${expectedStrides.toFixed(5)} ± ${toleranceStrides.toFixed(5)}`,
    );
  lines.push(...failures.map((failure) => `FAILED ${failure}`));
  return lines.join('\n');
}

/** One element of `recordings`; the fields of the issue first. */
export function reportJson(dir: string, { blockTokens, strideBytes, excluded }: Replayed, { groups, bloom, failures }: Score): object {
  return {
    dir,
    excluded,
    groups: groups.map(
      ({ name, requests, covered, reasons, engine, own, stale, partial, promptsWrong, bloom: share, bloomWithin, misses }) => ({
        name,
        requests,
        covered,
        reasons,
        withinOneBlock: engine.within,
        overByMore: engine.over,
        underByMore: engine.under,
        maxOverBytes: engine.maxOverBytes,
        maxUnderBytes: engine.maxUnderBytes,
        ownError: { withinOneBlock: own.within, overByMore: own.over, underByMore: own.under, maxOverBytes: own.maxOverBytes },
        staleness: stale,
        partialCredit: {
          requests: partial.within + partial.over + partial.under,
          overByMore: partial.over,
          maxOverBytes: partial.maxOverBytes,
        },
        promptsWrong,
        bloom: { walks: share.walks, meanStrides: share.meanStrides, withinOneBlock: bloomWithin },
        misses: misses.map((miss) => ({
          id: miss.request.id,
          tag: miss.request.tag,
          predictedBytes: miss.predictedBytes,
          cachedBytes: miss.truth!.cachedBytes,
          cause: causeOf(miss),
        })),
      }),
    ),
    blockTokens,
    strideBytes,
    bloom: {
      walks: bloom.walks,
      meanStrides: bloom.meanStrides,
      expectedStrides: bloom.expectedStrides,
      toleranceStrides: bloom.toleranceStrides,
      accepted: bloom.accepted,
    },
    failures,
  };
}
