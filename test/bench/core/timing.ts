/** Times `batch` calls of `work` and stores the microseconds of one. Throws when one says false. */
export function timeInto(times: Float64Array, at: number, batch: number, work: () => unknown): void {
  const start = performance.now();
  for (let left = batch; left > 0; left--) if (work() === false) throw new Error('a part of a decision failed');
  times[at] = ((performance.now() - start) * 1000) / batch;
}
