// The indexer as operators run it: a process of its own, that can be killed, stopped in its tracks and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigInput } from '../../indexer/config';
import { packageRoot, until } from './fleet';

export class IndexerProcess {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly directory: string,
    /** `host:port`; the same after every start. */
    readonly address: string,
  ) {}

  static async start(config: ConfigInput, address: string): Promise<IndexerProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'kvane-indexer-'));
    const { insecure: _, ...rest } = config;
    await writeFile(join(directory, 'indexer.json'), JSON.stringify({ ...rest, listen: address, logLevel: 'warn' }));
    const indexer = new IndexerProcess(directory, address);
    await indexer.launch();
    return indexer;
  }

  async launch(): Promise<void> {
    const args = [join(packageRoot(), 'dist/kvane.mjs'), 'indexer', '--insecure', '--config', join(this.directory, 'indexer.json')];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.child = child;
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`the indexer ended with status ${child.exitCode}`);
      const answer = await fetch(`http://${this.address}/readyz`).catch(() => undefined);
      await answer?.text();
      return answer?.status === 200;
    }, 'the indexer is ready');
  }

  /** SIGSTOP and SIGCONT take effect at once; the others are waited for. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = signal === 'SIGSTOP' || signal === 'SIGCONT' ? undefined : once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async stop(): Promise<void> {
    await this.signal('SIGKILL');
    await rm(this.directory, { recursive: true, force: true });
  }
}
