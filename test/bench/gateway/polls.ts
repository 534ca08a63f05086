// The indexer's end of a poll, as small as it can be: whole summaries made by the real index and the real writer, answered to whoever
// has not got them; everybody else waits.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ANSWER_MAX_BYTES, FORMAT_VERSION } from '../../../assembly/core/summary/format.js';
import { readPoll } from '../../../indexer/publish/poll.js';
import { writeSnapshot } from '../../../indexer/publish/writer.js';
import type { Fleet } from '../workload/fleet.js';

interface Published {
  readonly epoch: bigint;
  readonly messages: readonly Buffer[];
}

export class Polls {
  private readonly pools = new Map<string, Published>();
  private readonly waiting = new Set<() => void>();
  private epoch = 1n;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Polls> {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', async () => {
        const poll = readPoll(body);
        let messages = polls.messagesFor(poll);
        if (messages.length === 0) {
          await polls.change(poll.waitMs);
          messages = polls.messagesFor(poll);
        }
        response.writeHead(200, { 'x-kvane-format': String(FORMAT_VERSION) }).end(Buffer.concat(messages));
      });
    });
    const polls = new Polls(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return polls;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Publishes a fleet as the new summary of a pool. */
  publish(pool: string, fleet: Fleet): void {
    const epoch = this.epoch++;
    fleet.plane.publish();
    const messages = writeSnapshot({
      pool,
      epoch,
      sequence: 1n,
      publishedMs: Date.now(),
      tables: fleet.tables,
      load: fleet.load,
      planes: [fleet.plane.state()],
    });
    this.pools.set(pool, { epoch, messages });
    for (const wake of [...this.waiting]) wake();
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private messagesFor({ pools }: ReturnType<typeof readPoll>): Buffer[] {
    const messages: Buffer[] = [];
    let room = ANSWER_MAX_BYTES;
    for (const [name, state] of pools) {
      const published = this.pools.get(name);
      if (!published || published.epoch === state.epoch) continue;
      const next = state.snapshot?.epoch === published.epoch ? state.snapshot.next : 0;
      for (const message of published.messages.slice(next)) {
        room -= message.length;
        if (room < 0) return messages;
        messages.push(message);
      }
    }
    return messages;
  }

  private change(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      this.waiting.add(wake);
    });
  }
}
