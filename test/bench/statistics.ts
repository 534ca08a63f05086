/** Quantile of values in any order, 0 ≤ q ≤ 1: the nearest rank. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export const median = (values: ArrayLike<number>): number => quantile(values, 0.5);

/** Collects one value per round under a name; the answer is the median over the rounds. */
export class Rounds<Name extends string> {
  private readonly values = new Map<Name, number[]>();

  add(name: Name, value: number): void {
    const list = this.values.get(name);
    if (list) list.push(value);
    else this.values.set(name, [value]);
  }

  median(name: Name): number {
    return median(this.values.get(name) ?? []);
  }

  /** Median of the paired differences a − b. */
  medianDifference(a: Name, b: Name): number {
    const other = this.values.get(b) ?? [];
    return median((this.values.get(a) ?? []).map((value, round) => value - other[round]!));
  }
}
