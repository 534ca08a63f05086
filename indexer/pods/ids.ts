import { ENDPOINTS_MAX, SLOTS } from '../../assembly/core/summary/format.js';

/** Endpoint ids, 64 × group + slot: an endpoint keeps its id while it lives, a free one is the lowest. */
export class EndpointIds {
  private readonly ids = new Map<string, number>();
  private readonly taken = new Set<number>();

  /** The id of an endpoint; undefined when there is no room for it. */
  take(key: string): number | undefined {
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    for (let id = 0; id < ENDPOINTS_MAX; id++) {
      if (this.taken.has(id)) continue;
      this.ids.set(key, id);
      this.taken.add(id);
      return id;
    }
    return undefined;
  }

  release(key: string): void {
    const id = this.ids.get(key);
    if (id !== undefined) this.taken.delete(id);
    this.ids.delete(key);
  }
}

export const groupOf = (id: number): number => Math.floor(id / SLOTS);
export const slotOf = (id: number): number => id % SLOTS;
