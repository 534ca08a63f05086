// Keeps the render programs of one pool: learns them as soon as an engine renders, and checks now and then that they still hold.
import { describe, isKvaneError } from '../errors.js';
import { type LearnOptions, type LearnResult, learnProgram, stillTrue } from './learn.js';
import type { RenderProgram } from './program.js';
import type { Renderer } from './renderer.js';

export type LearnState = 'off' | 'waiting' | 'learning' | 'learned' | 'refused';

export interface KeeperOptions extends LearnOptions {
  /** Renderers of the engines that answer, best first. */
  readonly renderers: () => readonly Renderer[];
  readonly changed: (program: RenderProgram, result: LearnResult | undefined) => void;
  /** Chats rendered since the last call. */
  readonly rendered: (chats: number) => void;
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
const VERIFY_EVERY_MS = 10 * 60_000;
const VERIFY_CHATS = 8;

export class ProgramKeeper {
  state: LearnState = 'waiting';
  /** Why there is no chat program (yet). */
  reason: string | undefined = 'no engine has answered yet';
  result: LearnResult | undefined;
  /** At least one attempt has ended. */
  settled = false;
  private timer: NodeJS.Timeout | undefined;
  private retryMs = RETRY_FIRST_MS;
  private busy = false;
  /** Woken while busy. */
  private again = false;
  private stopped = false;
  private seed = 1;

  constructor(private readonly options: KeeperOptions) {}

  /** Completions can be rendered without any engine. */
  start(): void {
    const { nfc, completionPrefix } = this.options;
    this.options.changed({ variant: '{}', nfc, chat: false, completionPrefix, entries: [] }, undefined);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** An engine became ready, or restarted: learn, or check. */
  wake(): void {
    this.again = this.busy;
    this.schedule(0);
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.stopped || this.busy) return;
    this.timer = setTimeout(() => void this.run(), delayMs);
  }

  private async run(): Promise<void> {
    if (this.busy || this.stopped) return;
    this.busy = true;
    let next = VERIFY_EVERY_MS;
    try {
      const done = await this.attempt();
      if (done) this.retryMs = RETRY_FIRST_MS;
      else {
        next = this.retryMs;
        this.retryMs = Math.min(RETRY_MAX_MS, this.retryMs * 2);
      }
    } finally {
      this.busy = false;
      this.schedule(this.again ? 0 : next);
      this.again = false;
    }
  }

  /** True when the programs are up to date. */
  private async attempt(): Promise<boolean> {
    const renderers = this.options.renderers();
    for (const renderer of renderers) {
      try {
        if (this.state === 'learned' && (await this.holds(renderer))) return true;
        await this.learn(renderer);
        return true;
      } catch (error) {
        if (this.stopped) return false;
        // An engine without the endpoint says nothing about a program learned from another.
        if (this.state === 'learned') continue;
        this.state = 'waiting';
        this.reason = isKvaneError(error) ? error.message : describe(error);
        this.settled = true;
      }
    }
    if (renderers.length === 0 && this.state !== 'learned') this.reason = 'no engine answers';
    return this.state === 'learned';
  }

  private async holds(renderer: Renderer): Promise<boolean> {
    this.options.rendered(VERIFY_CHATS);
    return stillTrue(renderer, this.result!.program, { ...this.options, chats: VERIFY_CHATS, seed: ++this.seed });
  }

  private async learn(renderer: Renderer): Promise<void> {
    if (this.state !== 'learned') this.state = 'learning';
    const result = await learnProgram(renderer, this.options);
    if (this.stopped) return;
    this.options.rendered(result.renders);
    this.result = result;
    this.reason = result.reason;
    this.state = result.program.chat ? 'learned' : 'refused';
    this.settled = true;
    this.options.changed(result.program, result);
  }
}
