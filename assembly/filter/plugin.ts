// What one plugin configuration means for requests: which pool a cluster's requests go to, whether it can be decided about now.

import { RootContext, Utf8 } from 'as-proxy-wasm';
import { Reason } from '../core/prompt/reason';
import { Configuration } from './configuration';
import { Pool } from './pool';
import { ReadingList } from './reading';
import { theVm, Vm } from './vm';

/** Cluster names remembered with their pool, at most. */
const BOUND_MAX: i32 = 1024;

class Bound {
  constructor(
    readonly cluster: Utf8,
    readonly pool: Pool | null,
  ) {}
}

export class Plugin {
  readonly vm: Vm = theVm();
  readonly reading: ReadingList;
  readonly header: Utf8;
  private readonly bound: Bound[] = [];

  constructor(readonly configuration: Configuration) {
    this.header = Utf8.of(configuration.header);
    this.reading = new ReadingList(theVm().metrics);
  }

  /** The pool that a cluster is bound to; the first binding that matches counts. */
  poolOf(cluster: usize, length: usize): Pool | null {
    const bound = this.bound;
    for (let i = 0; i < bound.length; i++) if (unchecked(bound[i]).cluster.equals(cluster, length)) return unchecked(bound[i]).pool;
    let pool: Pool | null = null;
    const bindings = this.configuration.bindings;
    for (let i = 0; i < bindings.length; i++) {
      if (!bindings[i].matches(cluster, length)) continue;
      pool = this.vm.entryOf(bindings[i].pool, this.configuration.maxSummaryBytes).pool;
      break;
    }
    if (bound.length < BOUND_MAX) bound.push(new Bound(Utf8.copyOf(cluster, length), pool));
    return pool;
  }

  /** Why the pool cannot be decided about now; `Covered` when it can. */
  usable(pool: Pool): Reason {
    const summary = pool.active;
    if (summary === null) return Reason.NoSummary;
    if (!summary.enabled) return Reason.Disabled;
    return pool.isFresh(summary, this.vm.nowMs) ? Reason.Covered : Reason.Stale;
  }
}

/** A root context as its streams see it. */
export abstract class PluginRoot extends RootContext {
  plugin: Plugin = new Plugin(new Configuration());
}
