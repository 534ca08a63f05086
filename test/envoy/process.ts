import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_VERSION, type EnvoyVersion, getEnvoy } from './binary';
import type { Bootstrap } from './bootstrap';

export interface EnvoyOptions {
  readonly version?: EnvoyVersion;
  readonly config: Bootstrap;
  /** Worker threads. Default 1. */
  readonly concurrency?: number;
  /** Default `info`. */
  readonly logLevel?: string;
  /** For instance `wasm:debug`. */
  readonly componentLogLevel?: string;
  /** How long a removed or replaced listener goes on serving its streams. Default 600. */
  readonly drainSeconds?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly level: string;
  readonly component: string;
  readonly text: string;
}

/** Envoy ended, or was not ready in time. `lines` is what it said last. */
export class EnvoyFailed extends Error {
  constructor(
    message: string,
    readonly lines: readonly string[],
  ) {
    super(`${message}\n${lines.slice(-20).join('\n')}`);
    this.name = 'EnvoyFailed';
  }
}

const READY_MS = 60_000;
const STOP_MS = 10_000;
const LOG_FORMAT = '%l\u001f%n\u001f%v';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts Envoy and waits until it serves. */
export async function startEnvoy(options: EnvoyOptions): Promise<Envoy> {
  const binary = await getEnvoy(options.version ?? DEFAULT_VERSION);
  const directory = await mkdtemp(join(tmpdir(), 'kvane-envoy-'));
  const configPath = join(directory, 'envoy.json');
  const adminPath = join(directory, 'admin');
  await writeFile(configPath, JSON.stringify(options.config, null, 1));
  const args = ['-c', configPath, '--concurrency', `${options.concurrency ?? 1}`, '--admin-address-path', adminPath];
  args.push('--disable-hot-restart', '--log-level', options.logLevel ?? 'info', '--log-format', LOG_FORMAT);
  if (options.componentLogLevel) args.push('--component-log-level', options.componentLogLevel);
  if (options.drainSeconds !== undefined) args.push('--drain-time-s', `${options.drainSeconds}`);
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...options.environment } });
  const envoy = new Envoy(child, directory);
  try {
    await envoy.ready(adminPath);
  } catch (error) {
    await envoy.stop();
    throw error;
  }
  return envoy;
}

/** A running Envoy. Emits `line` with a `LogLine` for each line that it logs. */
export class Envoy extends EventEmitter<{ line: [LogLine] }> {
  /** Everything logged so far. */
  readonly log: LogLine[] = [];
  #admin = '';
  #exited: Promise<unknown>;

  constructor(
    private readonly child: ChildProcess,
    /** Temporary directory of this Envoy; removed by `stop`. */
    readonly directory: string,
  ) {
    super();
    this.setMaxListeners(0);
    running.add(child);
    this.#exited = Promise.race([once(child, 'exit'), once(child, 'error')]).finally(() => running.delete(child));
    createInterface({ input: child.stderr! }).on('line', (raw) => {
      const [level, component, ...rest] = raw.split('\u001f');
      const line = rest.length
        ? { level: level!, component: component!, text: rest.join('\u001f') }
        : { level: '', component: '', text: raw };
      this.log.push(line);
      this.emit('line', line);
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** `host:port` of the admin interface. */
  get admin(): string {
    return this.#admin;
  }

  async ready(adminPath: string): Promise<void> {
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined) {
        throw new EnvoyFailed('Envoy ended while it started', this.#texts());
      }
      this.#admin ||= await readFile(adminPath, 'utf8').catch(() => '');
      if (this.#admin && (await this.isReady())) return;
      await Promise.race([delay(20), this.#exited]);
    }
    throw new EnvoyFailed(`Envoy was not ready after ${READY_MS} ms`, this.#texts());
  }

  async isReady(): Promise<boolean> {
    const answer = await fetch(`http://${this.#admin}/ready`).catch(() => null);
    await answer?.arrayBuffer();
    return answer?.status === 200;
  }

  /** `host:port` of a listener, whatever port the kernel gave it. */
  async address(listener = 'main'): Promise<string> {
    type Listeners = { listener_statuses: { name: string; local_address: { socket_address: { address: string; port_value: number } } }[] };
    const { listener_statuses } = JSON.parse(await this.get('/listeners?format=json')) as Listeners;
    const found = listener_statuses.find((status) => status.name === listener)?.local_address.socket_address;
    if (!found) throw new EnvoyFailed(`no listener ${listener}`, this.#texts());
    return `${found.address}:${found.port_value}`;
  }

  /** Counters and gauges, all or those whose name matches. */
  async stats(filter?: RegExp): Promise<Record<string, number>> {
    const query = filter ? `&filter=${encodeURIComponent(filter.source)}` : '';
    const { stats } = JSON.parse(await this.get(`/stats?format=json${query}`)) as { stats: { name?: string; value?: number }[] };
    return Object.fromEntries(stats.flatMap(({ name, value }) => (name !== undefined && value !== undefined ? [[name, value]] : [])));
  }

  /** An admin page. */
  async get(path: string): Promise<string> {
    const answer = await fetch(`http://${this.#admin}${path}`);
    const text = await answer.text();
    if (answer.status !== 200) throw new EnvoyFailed(`admin ${path} answered ${answer.status} ${text}`, this.#texts());
    return text;
  }

  /** The first line, logged already or still to come, that the pattern matches. */
  async logged(pattern: RegExp, { from = 0, timeoutMs = 10_000 } = {}): Promise<LogLine> {
    const found = this.log.slice(from).find((line) => pattern.test(line.text));
    if (found) return found;
    return new Promise((resolve, reject) => {
      const see = (line: LogLine): void => {
        if (pattern.test(line.text)) settle(() => resolve(line));
      };
      const giveUp = (): void => settle(() => reject(new EnvoyFailed(`no line ${pattern} in ${timeoutMs} ms`, this.#texts())));
      const timer = setTimeout(giveUp, timeoutMs);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        this.off('line', see);
        how();
      };
      this.on('line', see);
    });
  }

  /** CPU seconds of all threads since it started (Linux; 1/100 s resolution). */
  async cpuSeconds(): Promise<number> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** Ends the process, by its id alone, and removes its directory. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (running.has(this.child)) {
      this.child.kill(signal);
      const hurry = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
      await this.#exited;
      clearTimeout(hurry);
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  #texts(): string[] {
    return this.log.map((line) => `${line.level} ${line.component} ${line.text}`);
  }
}
