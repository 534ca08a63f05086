import { type ClusterOptions, Clusters, type Upstream, type UpstreamRequest } from './clusters';
import { RootHostContext } from './context';
import { HostError } from './errors';
import { encodeText } from './guest-memory';
import type { HttpCall } from './http-call';
import type { Metrics } from './metrics';
import { type FilterModule, loadModule } from './module';
import { Plugin, type PluginOptions } from './plugin';
import { type LogLine, type ProxyOptions, ProxyProcess } from './process';
import type { RequestOptions } from './request';
import type { SharedData } from './shared-data';
import { Stream } from './stream';
import { formatEntry, type TraceEntry } from './trace';
import { Vm } from './vm';

export interface HostOptions extends ProxyOptions {
  /** Path or bytes of the release module, or what `loadModule` made of it. */
  readonly wasm: string | Uint8Array | FilterModule;
  /** Default 1. */
  readonly workers?: number;
  /** Of the only plugin. */
  readonly configuration?: string;
  /** Several plugin configurations in the same VMs, in place of `configuration`. */
  readonly plugins?: readonly PluginOptions[];
  readonly vmConfiguration?: string;
  /** Endpoints by cluster name. Default: `pool` with three. */
  readonly clusters?: Readonly<Record<string, readonly string[] | ClusterOptions>>;
  /** Default: 200 and what came, as JSON. */
  readonly upstream?: Upstream;
  /** Soft limits of what may be held per stream. Defaults 1 MiB, and the 16 MiB of an HTTP/2 window (facts §4.4). */
  readonly bufferLimitBytes?: number;
  readonly http2BufferLimitBytes?: number;
  /** A native filter removes the destination header before ours does. Default true. */
  readonly strip?: boolean;
  /** A trap does not fail the test. Default false. */
  readonly allowTraps?: boolean;
  /** FAIL_RELOAD: how long a trapped VM stays dead. Default 1000. */
  readonly reloadBackoffMs?: number;
  /** How long a replaced configuration goes on. Default 600 s. */
  readonly drainMs?: number;
}

const DEFAULT_CLUSTERS = { pool: ['10.0.0.1:8000', '10.0.0.2:8000', '10.0.0.3:8000'] };

/** How far apart the first context numbers of two threads are. */
const CONTEXTS_APART = 10;

interface Thread {
  vm: Vm;
  failedAtMs: number | undefined;
}

/** A proxy with one main thread and some workers, in which the module lives as it does in Envoy. */
export class Host {
  readonly unreachable: Set<string>;
  readonly #proxy: ProxyProcess;
  readonly #filter: FilterModule;
  readonly #clusters: Clusters;
  readonly #vmConfiguration: Uint8Array;
  #plugins: Plugin[];
  /** Main thread first. */
  #threads: Thread[] = [];
  #streams = new Map<Stream, Vm>();
  #turn = 0;
  #booting = true;

  private constructor(private readonly options: HostOptions) {
    this.#proxy = new ProxyProcess(options);
    this.#filter = typeof options.wasm === 'string' || options.wasm instanceof Uint8Array ? loadModule(options.wasm) : options.wasm;
    const clusters = Object.entries(options.clusters ?? DEFAULT_CLUSTERS);
    this.#clusters = new Clusters(
      Object.fromEntries(clusters.map(([name, given]) => [name, 'endpoints' in given ? given : { endpoints: given }])),
    );
    this.unreachable = this.#clusters.unreachable;
    this.#vmConfiguration = encodeText(options.vmConfiguration ?? '');
    this.#plugins = (options.plugins ?? [{ configuration: options.configuration ?? '' }]).map((plugin) => new Plugin(plugin));
    this.#proxy.hasCluster = (name) => this.#clusters.has(name);
    this.#proxy.vmFailed = (vm, callback, error) => this.#vmFailed(vm, callback, error);
    this.#proxy.done = (root) => this.#done(root);
  }

  /** Boots: a canary per plugin, then the main thread, then the workers. */
  static async start(options: HostOptions): Promise<Host> {
    const host = new Host(options);
    for (const plugin of host.#plugins) {
      if (!host.#canary(plugin)) {
        const said = host.logs.map(({ text }) => text).join('\n');
        throw new HostError('CONFIGURATION', `the configuration was refused; the module said: ${said || 'nothing'}`);
      }
    }
    for (const name of host.#threadNames()) host.#threads.push({ vm: host.#startVm(name), failedAtMs: undefined });
    host.#booting = false;
    host.#proxy.checkpoint();
    return host;
  }

  /** A request arrives. Without a whole body, go on with `stream.body(…)`. */
  request(options: RequestOptions = {}): Stream {
    const workers = this.#threads.length - 1;
    const thread = this.#threads[1 + (options.worker ?? this.#turn++ % workers)];
    const plugin = options.plugin === undefined ? this.#plugins[0] : this.#plugins.find(({ name }) => name === options.plugin);
    if (!thread || !plugin) throw new HostError('USAGE', `no worker ${options.worker} or no plugin ${options.plugin}`);
    const dead = !this.#revive(thread);
    const http2 = this.options.http2BufferLimitBytes ?? 16 << 20;
    const stream = new Stream(options, {
      root: thread.vm.rootOf(plugin),
      clusters: this.#clusters,
      upstream: this.options.upstream ?? echo,
      limitBytes: options.http2 ? http2 : (this.options.bufferLimitBytes ?? 1 << 20),
      strip: this.options.strip ?? true,
      dead,
      onStart: (started) => this.#streams.set(started, thread.vm),
      onEnd: (ended) => this.#streams.delete(ended),
    });
    this.#proxy.checkpoint();
    return stream;
  }

  /** Lets time pass: ticks, timeouts, drains. */
  advance(milliseconds: number): void {
    this.#proxy.clock.advance(milliseconds);
    this.#proxy.checkpoint();
  }

  get nowMs(): number {
    return this.#proxy.clock.nowMs;
  }

  /** HTTP calls of the module that nobody answered yet. */
  calls(): readonly HttpCall[] {
    return this.#proxy.calls;
  }

  get logs(): readonly LogLine[] {
    return this.#proxy.logs;
  }

  get metrics(): Metrics {
    return this.#proxy.metrics;
  }

  get sharedData(): SharedData {
    return this.#proxy.sharedData;
  }

  /** In non-strict mode: what would have failed the test. */
  get violations(): readonly string[] {
    return this.#proxy.violations;
  }

  /** What crossed the border since the last time, in order. */
  takeTrace(): TraceEntry[] {
    return this.#proxy.trace.take();
  }

  /** The same as lines to compare with; `vm` picks one, `callbacks: false` leaves host calls only. */
  takeLines({ vm, callbacks = true }: { vm?: string; callbacks?: boolean } = {}): string[] {
    const entries = this.takeTrace().filter((entry) => (vm === undefined || entry.vm === vm) && (callbacks || entry.kind === 'call'));
    return entries.map(formatEntry);
  }

  /** Streams that are open. */
  get streams(): readonly Stream[] {
    return [...this.#streams.keys()];
  }

  /**
   * A new configuration for a plugin (the first by default): first a canary, then a second root in every VM; the old one goes on
   * until it has drained. False: refused, the old configuration stays.
   */
  update(configuration: string, name = this.#plugins[0]!.name): boolean {
    const old = this.#plugins.find((plugin) => plugin.name === name);
    if (!old) throw new HostError('USAGE', `no plugin ${name}`);
    const next = old.withConfiguration(configuration);
    if (next.key === old.key) return true;
    if (!this.#canary(next)) {
      this.#proxy.checkpoint();
      return false;
    }
    this.#plugins = this.#plugins.map((plugin) => (plugin === old ? next : plugin));
    for (const { vm } of this.#threads) this.#startRoot(vm, next);
    this.#proxy.clock.after(this.options.drainMs ?? 600_000, () => this.#drained(old));
    this.#proxy.checkpoint();
    return true;
  }

  /** Ends every stream and every root. */
  stop(): void {
    for (const stream of [...this.#streams.keys()]) stream.reset();
    for (const { vm } of this.#threads) {
      for (const context of [...vm.contexts.values()]) if (context instanceof RootHostContext) this.#endRoot(context);
    }
    this.#proxy.checkpoint();
  }

  #threadNames(): string[] {
    return ['main', ...Array.from({ length: this.options.workers ?? 1 }, (_, i) => `worker ${i}`)];
  }

  #startVm(name: string): Vm {
    const vm = new Vm(this.#proxy, name, this.#filter, 1 + CONTEXTS_APART * this.#threadNames().indexOf(name));
    for (const plugin of this.#plugins) this.#startRoot(vm, plugin);
    return vm;
  }

  /** Start and configuration, in a VM of its own that is then thrown away; its calls are never answered. */
  #canary(plugin: Plugin): boolean {
    const vm = new Vm(this.#proxy, 'canary', this.#filter);
    return this.#startRoot(vm, plugin) && vm.failure === undefined;
  }

  #startRoot(vm: Vm, plugin: Plugin): boolean {
    if (vm.rootOf(plugin)) return true;
    const root = new RootHostContext(vm, vm.nextContextId(), plugin);
    root.vmConfiguration = this.#vmConfiguration;
    vm.contexts.set(root.id, root);
    vm.call(root, 'proxy_on_context_create', root.id, 0);
    if (vm.call(root, 'proxy_on_vm_start', root.id, this.#vmConfiguration.length) === 0) return false;
    root.configuration = plugin.configuration;
    const answer = vm.call(root, 'proxy_on_configure', root.id, plugin.configuration.length);
    root.configuration = undefined;
    return answer !== 0 && vm.failure === undefined;
  }

  /** Whether the thread's VM lives; makes a new one if its time has come. */
  #revive(thread: Thread): boolean {
    if (thread.failedAtMs === undefined) return true;
    if (this.nowMs < thread.failedAtMs + (this.options.reloadBackoffMs ?? 1000)) return false;
    thread.vm = this.#startVm(thread.vm.name);
    thread.failedAtMs = undefined;
    return true;
  }

  /** Its streams find out one by one: `Stream.vmFailed`. */
  #vmFailed(vm: Vm, callback: string, error: unknown): void {
    this.#proxy.log(vm, 'error', `Function: ${callback} failed: Uncaught ${error}`);
    if (!this.options.allowTraps && !(vm.isCanary && this.#booting)) this.#proxy.violation(`${vm.name} trapped in ${callback}: ${error}`);
    const thread = this.#threads.find((other) => other.vm === vm);
    if (thread) thread.failedAtMs = this.nowMs;
    for (const context of vm.contexts.values()) if (context instanceof RootHostContext) this.#proxy.cancelCalls(context);
  }

  /** The old listener is gone: what is still open on it is cut, then its roots end. */
  #drained(plugin: Plugin): void {
    for (const { vm } of this.#threads) {
      const root = vm.rootOf(plugin);
      if (!root || this.#plugins.some(({ key }) => key === plugin.key)) continue;
      for (const [stream, owner] of [...this.#streams]) if (owner === vm && stream.root === root) stream.reset();
      this.#endRoot(root);
    }
  }

  #endRoot(root: RootHostContext): void {
    const { vm } = root;
    if (vm.has('proxy_on_done') && vm.call(root, 'proxy_on_done', root.id) === 0) root.pendingDone = true;
    else this.#deleteRoot(root);
  }

  #done(root: RootHostContext): boolean {
    if (!root.pendingDone) return false;
    root.vm.afterCall(() => this.#deleteRoot(root));
    return true;
  }

  #deleteRoot(root: RootHostContext): void {
    root.deleted = true;
    root.vm.stopTicks(root);
    this.#proxy.cancelCalls(root);
    root.vm.call(root, 'proxy_on_delete', root.id);
    root.vm.contexts.delete(root.id);
  }
}

function echo(request: UpstreamRequest) {
  const { endpoint, headers, body, trailers } = request;
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ endpoint, headers, bytes: body.length, trailers }) };
}
