// Rows, and how people see them.
import { type Budget, budgetOf } from './budgets.js';

export interface Row {
  readonly id: string;
  readonly metric: string;
  readonly value: number;
  /** The same of plain Envoy. */
  readonly baseline?: number;
}

export interface Verdict {
  readonly row: Row;
  readonly budget: Budget;
  readonly met: boolean;
}

export function judge(rows: readonly Row[]): Verdict[] {
  return rows.flatMap((row) => {
    const budget = budgetOf(row);
    if (!budget) return [];
    const value = budget.aboveBaseline ? row.value - (row.baseline ?? Number.NaN) : row.value;
    return [{ row, budget, met: budget.atLeast !== undefined ? value >= budget.atLeast : value <= budget.atMost }];
  });
}

/** One table per set of metrics: a line per id, a column per metric. */
export function tables(rows: readonly Row[], bars: boolean): string {
  const metrics = new Map<string, string[]>();
  for (const { id, metric } of rows) metrics.set(id, [...(metrics.get(id) ?? []), metric]);
  const groups = new Map<string, string[]>();
  for (const [id, names] of metrics) groups.set(names.join(), [...(groups.get(names.join()) ?? []), id]);
  return [...groups]
    .map(([names, ids]) => {
      const columns = names.split(',');
      const cell = (id: string, metric: string): string => cellOf(rows.find((row) => row.id === id && row.metric === metric)!, bars);
      return table([['', ...columns], ...ids.map((id) => [id, ...columns.map((metric) => cell(id, metric))])]);
    })
    .join('\n\n');
}

function cellOf(row: Row, bars: boolean): string {
  const baseline = row.baseline === undefined ? '' : ` (plain ${number(row.baseline)})`;
  const [verdict] = bars ? judge([row]) : [];
  return `${number(row.value)}${baseline}${verdict ? ` ${boundText(verdict)}` : ''}`;
}

export function boundText({ budget, met }: Verdict): string {
  const bound = budget.atLeast !== undefined ? `≥ ${number(budget.atLeast)}` : `≤ ${number(budget.atMost)}`;
  return `[${budget.aboveBaseline ? `above plain ${bound}` : bound} ${met ? 'ok' : 'MISSED'}]`;
}

export function number(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
