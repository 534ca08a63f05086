// An indexer that does what a test wants: serve scripted pools, or go wrong in one of the ways that indexers go wrong.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ANSWER_MAX_BYTES } from '../../assembly/core/summary/format';
import { type Poll, readPoll } from '../../indexer/publish/poll';
import { type ScriptedOptions, ScriptedPool } from './scripted-pool';

/**
 * `serve`; `hang`: takes the poll and says nothing; `garbage`: 200 with our header and noise; `version`: a format that nobody knows;
 * `plain`: 200 without our header; `error`: 500; `cut`: closes the connection in the middle of the answer.
 */
export type Mode = 'serve' | 'hang' | 'garbage' | 'version' | 'plain' | 'error' | 'cut';

/** What a poll gets now, if there is anything. */
export function answerTo(pools: ReadonlyMap<string, ScriptedPool>, poll: Poll): Buffer {
  const messages: Buffer[] = [];
  let room = ANSWER_MAX_BYTES;
  for (const [name, state] of poll.pools) {
    for (const message of pools.get(name)?.messagesFor(state, room) ?? []) {
      messages.push(message);
      room -= message.length;
    }
  }
  return Buffer.concat(messages);
}

interface Waiting {
  readonly poll: Poll;
  readonly response: ServerResponse;
  readonly timer: NodeJS.Timeout;
}

export class ScriptedIndexer {
  readonly pools = new Map<string, ScriptedPool>();
  /** Polls so far, and the most that were open at once. */
  polls: Poll[] = [];
  mostOpen = 0;
  private mode: Mode = 'serve';
  private open = 0;
  private readonly waiting = new Set<Waiting>();
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  private port = 0;

  static async start(pools: readonly ScriptedPool[]): Promise<ScriptedIndexer> {
    const indexer = new ScriptedIndexer();
    for (const pool of pools) indexer.pools.set(pool.name, pool);
    await indexer.listen();
    return indexer;
  }

  static async withPool(
    name: string,
    addresses: readonly string[],
    options: ScriptedOptions = {},
  ): Promise<[ScriptedIndexer, ScriptedPool]> {
    const pool = await ScriptedPool.create(name, addresses, options);
    return [await ScriptedIndexer.start([pool]), pool];
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** From the next answer on; polls that wait are answered in the new way at once, unless that is to hang. */
  setMode(mode: Mode): void {
    this.mode = mode;
    for (const waiting of [...this.waiting]) this.answer(waiting, mode !== 'hang');
  }

  /** Something was published: polls that wait get it. */
  wake(): void {
    for (const waiting of [...this.waiting]) this.answer(waiting, false);
  }

  /** Listens on the port that it had before, if it had one. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.take(request, response).catch(() => response.destroy()));
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  /** As killed: the port refuses, connections are cut. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.server) this.server.close(() => resolve());
      else resolve();
    });
    for (const { timer } of this.waiting) clearTimeout(timer);
    this.waiting.clear();
    for (const socket of this.sockets) socket.destroy();
    await closed;
    this.server = undefined;
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const poll = readPoll(Buffer.concat(chunks).toString());
    this.polls.push(poll);
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const waiting: Waiting = { poll, response, timer: setTimeout(() => this.answer(waiting, true), poll.waitMs) };
    response.once('close', () => {
      this.open--;
      clearTimeout(waiting.timer);
      this.waiting.delete(waiting);
    });
    this.waiting.add(waiting);
    this.answer(waiting, this.mode !== 'serve');
  }

  /** now: also when there is nothing to say. */
  private answer(waiting: Waiting, now: boolean): void {
    const { poll, response, timer } = waiting;
    if (this.mode === 'hang') return;
    const body = this.mode === 'serve' ? answerTo(this.pools, poll) : Buffer.alloc(3000, 'noise');
    if (!now && body.length === 0) return;
    clearTimeout(timer);
    this.waiting.delete(waiting);
    const format = this.mode === 'plain' ? {} : { 'x-kvane-format': this.mode === 'version' ? '77' : '1' };
    response.writeHead(this.mode === 'error' ? 500 : 200, { ...format, 'content-length': body.length });
    if (this.mode !== 'cut') response.end(body);
    else response.write(body.subarray(0, 100), () => response.destroy());
  }
}
