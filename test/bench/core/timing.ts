/** Times `work` and stores its microseconds. Throws when it says false. */
export function timeInto(times: Float64Array, at: number, work: () => unknown): void {
  const start = performance.now();
  if (work() === false) throw new Error('a part of a decision failed');
  times[at] = (performance.now() - start) * 1000;
}
