// Requests in flight, as the proxies report them with their polls.

/** A proxy that has not polled for this long is gone, or restarted under another id. */
const FORGET_MS = 60_000;

type Report = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * All pollers get the same delta, so nobody's own requests can be left out here: what is published is the sum over all proxies of
 * what each last reported, and a filter takes its own proxy's report off (format.ts, LOAD).
 */
export class InFlight {
  private readonly proxies = new Map<string, { report: Report; at: number }>();

  report(proxy: string, report: Report, now = Date.now()): void {
    this.proxies.set(proxy, { report, at: now });
    for (const [id, { at }] of this.proxies) if (now - at > FORGET_MS) this.proxies.delete(id);
  }

  /** Sum over the proxies of what each has in flight at an address. */
  total(pool: string, address: string): number {
    let total = 0;
    for (const { report } of this.proxies.values()) total += report[pool]?.[address] ?? 0;
    return total;
  }
}
