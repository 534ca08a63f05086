// The replay socket: a ROUTER that answers a DEALER's ["", first sequence] with every batch from there on that is still kept.
import { Router } from 'zeromq';
import { type Published, sequenceFrame } from './publisher.js';
import { opened } from './sockets.js';

const EMPTY = Buffer.alloc(0);
const END = Buffer.alloc(8, 0xff);

export interface ReplayOptions {
  readonly topic: string;
  readonly frames: 2 | 3;
  readonly bufferSteps: number;
  readonly port?: number | undefined;
}

export class ReplayServer {
  readonly endpoint: string;
  /** requests answered */
  answered = 0;
  private readonly socket: Router;
  private readonly options: ReplayOptions;
  private readonly kept: Published[] = [];
  private done: Promise<void> = Promise.resolve();

  private constructor(socket: Router, endpoint: string, options: ReplayOptions) {
    this.socket = socket;
    this.endpoint = endpoint;
    this.options = options;
  }

  static async open(options: ReplayOptions): Promise<ReplayServer> {
    const socket = new Router({ sendHighWaterMark: 0, linger: 0 });
    const server = new ReplayServer(socket, await opened(socket, options.port), options);
    server.done = server.serve();
    return server;
  }

  keep(message: Published): void {
    this.kept.push(message);
    if (this.kept.length > this.options.bufferSteps) this.kept.shift();
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.done;
  }

  private async serve(): Promise<void> {
    try {
      for await (const [peer, , start] of this.socket) {
        if (start?.length !== 8) continue;
        await this.answer(peer!, start.readBigUInt64BE());
        this.answered++;
      }
    } catch (error) {
      if (!this.socket.closed) throw error;
    }
  }

  private async answer(peer: Buffer, first: bigint): Promise<void> {
    const { topic, frames } = this.options;
    for (const { sequence, payload } of this.kept.slice()) {
      if (sequence < first) continue;
      const body = [sequenceFrame(sequence), payload];
      await this.socket.send([peer, EMPTY, ...(frames === 3 ? [topic] : []), ...body]);
    }
    await this.socket.send([peer, EMPTY, ...(frames === 3 ? [EMPTY] : []), END, EMPTY]);
  }
}
