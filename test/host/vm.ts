import type { ProxyFunction } from './abi';
import type { Timer } from './clock';
import { type HostContext, RootHostContext } from './context';
import { HostError } from './errors';
import { GuestMemory } from './guest-memory';
import { proxyImports } from './imports/index';
import type { FilterModule } from './module';
import type { Plugin } from './plugin';
import type { ProxyProcess } from './process';

type Exported = (...parameters: (number | bigint)[]) => number | undefined;

/** What may be called while the module starts, and while it is asked for memory (proxy-wasm-cpp-host `setRestrictedCallback`). */
const RESTRICTED: ReadonlySet<ProxyFunction> = new Set(['proxy_log']);

/** One instance of the module, as one thread of Envoy has it. */
export class Vm {
  readonly contexts = new Map<number, HostContext>();
  readonly memory: GuestMemory;
  /** Why it died; undefined while it lives. */
  failure: unknown;
  /** Where calls of the module go. */
  current: HostContext | undefined;
  effective: HostContext | undefined;
  /** Says that whatever a callback answers, its stream goes no further: a local response was sent. */
  stopIteration = false;
  /** Never receives an answer, never ticks: the canary. */
  readonly isCanary: boolean;

  readonly #instance: WebAssembly.Instance;
  readonly #exports: ReadonlySet<string>;
  #restricted: string | undefined;
  #afterCall: (() => void)[] = [];
  #nextContextId: number;
  #ticks = new Map<RootHostContext, Timer>();

  constructor(
    readonly proxy: ProxyProcess,
    readonly name: string,
    filter: FilterModule,
    /** Numbers of contexts differ from thread to thread (facts §3). */
    firstContextId = 1,
  ) {
    this.#nextContextId = firstContextId;
    this.isCanary = name === 'canary';
    this.#exports = filter.exports;
    const imports = proxyImports(this) as unknown as Record<string, WebAssembly.ImportValue>;
    this.#instance = new WebAssembly.Instance(filter.module, { env: imports });
    this.memory = new GuestMemory(this.#export('memory') as unknown as WebAssembly.Memory);
    this.#restricted = '_initialize';
    try {
      for (const start of ['_initialize', '_start']) if (this.has(start)) this.#export(start)();
    } catch (error) {
      this.fail('_initialize', error);
    }
    this.#restricted = undefined;
  }

  has(name: string): boolean {
    return this.#exports.has(name);
  }

  nextContextId(): number {
    return this.#nextContextId++;
  }

  rootOf(plugin: Plugin): RootHostContext | undefined {
    for (const context of this.contexts.values()) {
      if (context instanceof RootHostContext && context.plugin.key === plugin.key && !context.pendingDone) return context;
    }
    return undefined;
  }

  /** Where the call that is running now counts. */
  get context(): HostContext {
    const context = this.effective && this.contexts.has(this.effective.id) ? this.effective : this.current;
    if (!context) throw new HostError('VIOLATION', 'the module called the host outside of a callback');
    return context;
  }

  /** Calls an export for a context, if the module has it and lives. */
  call(context: HostContext, name: string, ...parameters: number[]): number | undefined {
    if (this.failure !== undefined || !this.has(name)) return undefined;
    const saved = [this.current, this.effective] as const;
    this.current = context;
    this.effective = undefined;
    this.stopIteration = false;
    const callback = { kind: 'callback', vm: this.name, context: context.id, name, arguments: parameters, answer: undefined } as const;
    const entry = this.proxy.trace.add(callback);
    let answer: number | undefined;
    try {
      answer = this.#export(name)(...parameters);
      this.proxy.trace.answered(entry, answer);
    } catch (error) {
      this.fail(name, error);
    } finally {
      [this.current, this.effective] = saved;
    }
    const stopped = this.stopIteration;
    if (this.failure !== undefined) this.#afterCall = [];
    for (let action = this.#afterCall.shift(); action; action = this.#afterCall.shift()) action();
    this.stopIteration = stopped;
    return answer;
  }

  /** What the host does not do inside of a callback, but right after it, *before* it looks at what the callback answered. */
  afterCall(action: () => void): void {
    this.#afterCall.push(action);
  }

  /** Room in the module for `length` bytes; null if it refuses. */
  allocate(length: number): number | null {
    const saved = this.#restricted;
    this.#restricted = 'proxy_on_memory_allocate';
    try {
      const name = this.has('malloc') ? 'malloc' : 'proxy_on_memory_allocate';
      const ptr = (this.#export(name)(length) ?? 0) >>> 0;
      return ptr && this.memory.holds(ptr, length) ? ptr : null;
    } finally {
      this.#restricted = saved;
    }
  }

  /** Before each host call. */
  check(name: ProxyFunction): void {
    if (this.#restricted !== undefined && !RESTRICTED.has(name)) {
      this.proxy.violation(`${name} is not allowed inside of ${this.#restricted}: Envoy kills the VM`);
      throw new HostError('VIOLATION', `restricted call of ${name}`);
    }
  }

  setTickPeriod(root: RootHostContext, milliseconds: number): void {
    root.tickMs = milliseconds;
    this.proxy.clock.cancel(this.#ticks.get(root));
    if (this.isCanary) return;
    if (milliseconds > 0)
      this.#ticks.set(
        root,
        this.proxy.clock.after(milliseconds, () => this.#tick(root)),
      );
  }

  stopTicks(root?: RootHostContext): void {
    for (const [other, timer] of this.#ticks) if (!root || other === root) this.proxy.clock.cancel(timer);
  }

  fail(name: string, error: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.stopTicks();
    this.proxy.vmFailed(this, name, error);
  }

  /** The timer is armed again after the callback. */
  #tick(root: RootHostContext): void {
    this.call(root, 'proxy_on_tick', root.id);
    if (root.tickMs > 0 && !root.deleted && this.failure === undefined) this.setTickPeriod(root, root.tickMs);
  }

  #export(name: string): Exported {
    return this.#instance.exports[name] as unknown as Exported;
  }
}
