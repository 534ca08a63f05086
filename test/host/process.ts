import type { Level, Status } from './abi';
import { LEVELS } from './abi';
import { Clock } from './clock';
import type { HostContext, RootHostContext } from './context';
import { HostError } from './errors';
import { HttpCall, type HttpCallRequest } from './http-call';
import { Metrics } from './metrics';
import { SharedData } from './shared-data';
import { Trace } from './trace';
import type { Vm } from './vm';

export type ForeignFunction = (argument: Uint8Array, context: HostContext) => Uint8Array | Status;

export interface LogLine {
  readonly vm: string;
  readonly level: Level;
  readonly text: string;
}

export interface ProxyOptions {
  /** Whether a violation fails the test. Default true. */
  readonly strict?: boolean;
  /** Default `info`. */
  readonly logLevel?: Level;
  readonly foreignFunctions?: Readonly<Record<string, ForeignFunction>>;
  /** To go on with the data of another host, as new code under the same VM id does. */
  readonly sharedData?: SharedData;
  readonly clock?: Clock;
  /** Keep what crosses the border, with copies of the bytes. Default true; false for runs of thousands of requests. */
  readonly trace?: boolean;
}

/** What belongs to the process and not to one VM. */
export class ProxyProcess {
  readonly clock: Clock;
  readonly sharedData: SharedData;
  readonly metrics = new Metrics();
  readonly trace: Trace;
  readonly logs: LogLine[] = [];
  readonly foreignFunctions: Readonly<Record<string, ForeignFunction>>;
  logLevel: Level;
  readonly #strict: boolean;
  #violations: string[] = [];
  #calls: HttpCall[] = [];
  #nextToken = 1;

  /** Set by the host. */
  vmFailed: (vm: Vm, callback: string, error: unknown) => void = () => {};
  done: (root: RootHostContext) => boolean = () => false;
  hasCluster: (name: string) => boolean = () => false;

  constructor(options: ProxyOptions) {
    this.clock = options.clock ?? new Clock();
    this.sharedData = options.sharedData ?? new SharedData();
    this.foreignFunctions = { clear_route_cache: () => new Uint8Array(), ...options.foreignFunctions };
    this.trace = new Trace(options.trace ?? true);
    this.logLevel = options.logLevel ?? 'info';
    this.#strict = options.strict ?? true;
  }

  get calls(): readonly HttpCall[] {
    return this.#calls;
  }

  get violations(): readonly string[] {
    return this.#violations;
  }

  log(vm: Vm, level: Level, text: string): void {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(this.logLevel)) this.logs.push({ vm: vm.name, level, text });
  }

  /** Noted inside of the module's calls, thrown by `checkpoint` when the test has control again. */
  violation(text: string): void {
    this.#violations.push(text);
  }

  checkpoint(): void {
    if (!this.#strict || !this.#violations.length) return;
    const [first, ...more] = this.#violations.splice(0);
    throw new HostError('VIOLATION', `${first}${more.length ? ` (and ${more.length} more: ${more.join('; ')})` : ''}`);
  }

  /** A canary's calls are taken and never answered. */
  httpCall(root: RootHostContext, request: HttpCallRequest): number {
    const call = new HttpCall(this, root, this.#nextToken++, request);
    if (root.vm.isCanary) call.cancel();
    else this.#calls.push(call);
    return call.token;
  }

  forget(call: HttpCall): void {
    this.#calls = this.#calls.filter((other) => other !== call);
  }

  cancelCalls(root: RootHostContext): void {
    for (const call of this.#calls) if (call.belongsTo(root)) call.cancel();
  }
}
