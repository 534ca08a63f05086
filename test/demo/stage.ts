// What the demo plays on: four simulated engines, the indexer and Envoy with two workers. Started once, stopped by process id.
import type { Indexer } from '../../indexer/indexer';
import { type FleetPool, fleetBootstrap, MODEL, PLAIN_LISTENER, startEngines, startFleetIndexer, until } from '../e2e/fleet';
import type { Engine } from '../engine/engine';
import type { EnvoyVersion } from '../envoy/binary';
import { type Envoy, startEnvoy } from '../envoy/process';
import { ask } from './client';

export const ENGINES = 4;
export const BLOCKS = 1024;
export const BLOCK_TOKENS = 16;
export const WORKERS = 2;
/** A block of each engine is never used. */
export const CAPACITY_TOKENS = ENGINES * (BLOCKS - 1) * BLOCK_TOKENS;
const POOL = 'qwen';
/** Every worker's VM and the main thread's. */
const VMS = WORKERS + 1;

export class Stage {
  engines: Engine[] = [];
  indexer!: Indexer;
  envoy!: Envoy;
  /** Listener with kvane, and the one with Envoy's own least request; `host:port`. */
  gateway = '';
  plain = '';
  private pools: FleetPool[] = [];

  async startEngines(): Promise<void> {
    // 6,250 prompt tokens and 77 steps a second: a large model's pace, with prompts five times shorter.
    const timing = { prefillMsPerToken: 0.16, decodeMsPerToken: 12, stepMs: 1 };
    this.engines = await startEngines(ENGINES, { blocks: BLOCKS, blockSize: BLOCK_TOKENS, timing });
    this.pools = [{ name: POOL, cluster: POOL, engines: this.engines }];
  }

  async startIndexer(): Promise<void> {
    this.indexer = await startFleetIndexer(this.pools, { publish: {}, scrape: {} });
  }

  async startEnvoy(version: EnvoyVersion): Promise<void> {
    const endpoints = { [POOL]: this.engines.map(({ address }) => address) };
    const config = fleetBootstrap({ pools: this.pools, endpoints, indexer: this.indexer.url.replace('http://', '') });
    this.envoy = await startEnvoy({ version, config, concurrency: WORKERS, logLevel: 'warning', componentLogLevel: 'wasm:debug' });
    this.gateway = await this.envoy.address();
    this.plain = await this.envoy.address(PLAIN_LISTENER);
    await until(async () => (await this.applied()) >= VMS, 'the summary is in every worker');
  }

  engineAt(name: string | undefined): Engine | undefined {
    return this.engines.find((engine) => engine.name === name);
  }

  /** The filter writes score lines only while the wasm logger is at debug. */
  async logScores(on: boolean): Promise<void> {
    const answer = await fetch(`http://${this.envoy.admin}/logging?wasm=${on ? 'debug' : 'warning'}`, { method: 'POST' });
    await answer.text();
  }

  /** Does it, and waits until what that made the engines store is known in every worker. */
  async withNews<T>(act: () => Promise<T>): Promise<T> {
    const before = await this.applied();
    const blocks = this.residentBlocks();
    const result = await act();
    await until(() => this.residentBlocks() !== blocks, 'the KV events are at the indexer');
    await until(async () => (await this.applied()) >= before + VMS, 'the news is in every worker');
    return result;
  }

  /** Empties every engine's prefix cache, and waits until the indexer and Envoy know. */
  async emptyCaches(): Promise<void> {
    await until(() => this.engines.every((engine) => engine.stats().running + engine.stats().waiting === 0), 'the engines are idle');
    const before = await this.applied();
    const held = this.residentBlocks() > 0;
    for (const { url, address } of this.engines) {
      await (await fetch(`${url}/reset_prefix_cache`, { method: 'POST' })).text();
      // As vLLM does, the engine sends this event with its next step; this one stores no block.
      await ask(address, '/v1/completions', { model: MODEL, prompt: 'Hello', max_tokens: 1 });
    }
    await until(() => this.residentBlocks() === 0, 'the indexer knows that the caches are empty');
    if (held) await until(async () => (await this.applied()) >= before + VMS, 'every worker knows that the caches are empty');
  }

  async stop(): Promise<void> {
    await this.envoy?.stop();
    await this.indexer?.stop();
    for (const engine of this.engines) await engine.stop();
  }

  private residentBlocks(): number {
    return this.indexer.pools.get(POOL)!.residentBlocks();
  }

  /** Snapshots and deltas that the VMs have applied, all together. */
  private async applied(): Promise<number> {
    const stats = await this.envoy.stats(/kvane\.(snapshots|deltas)_applied/);
    return Object.values(stats).reduce((sum, value) => sum + value, 0);
  }
}
