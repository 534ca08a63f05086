// Requests in flight, as the proxies report them with their polls.

/** A proxy that has not polled for this long is gone, or restarted under another id. */
const FORGET_MS = 60_000;

type Report = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * All pollers get the same delta, so nobody's own requests can be left out exactly. What is published is the mean of what the
 * *other* proxies have in flight: total × (n − 1) / n for n proxies. With one proxy that is 0; it knows its own.
 */
export class InFlight {
  private readonly proxies = new Map<string, { report: Report; at: number }>();

  report(proxy: string, report: Report, now = Date.now()): void {
    this.proxies.set(proxy, { report, at: now });
    for (const [id, { at }] of this.proxies) if (now - at > FORGET_MS) this.proxies.delete(id);
  }

  /** Mean over the proxies of what the others have in flight at an address. */
  others(pool: string, address: string): number {
    let total = 0;
    for (const { report } of this.proxies.values()) total += report[pool]?.[address] ?? 0;
    const proxies = this.proxies.size;
    return proxies < 2 ? 0 : (total * (proxies - 1)) / proxies;
  }
}
