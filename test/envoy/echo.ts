import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/** What reached an echo server. */
export interface Echo {
  /** Address of the server that answered. */
  readonly server: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly sha256: string;
  /** Sum of all bytes modulo 65521. */
  readonly sum: number;
  readonly trailers: Readonly<Record<string, string>>;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/**
 * An upstream that answers with what it got, as JSON. The header `x-upstream` changes that: `status=503`, `reset` (cuts the
 * connection), `hold` (answers when `release` is called), `events=N` (N server-sent events, the last after `release`).
 */
export class EchoServer {
  #sockets = new Set<Socket>();
  #held: (() => void)[] = [];
  #onHeld: (() => void)[] = [];
  /** How many requests came, answered or not. */
  requests = 0;
  address = '';

  private constructor(private readonly server: Server | Http2Server) {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: { http2?: boolean; port?: number } = {}): Promise<EchoServer> {
    const server = options.http2 ? createHttp2Server() : createServer();
    const echo = new EchoServer(server);
    server.on('request', (request: Request, response: Response) => void echo.#answer(request, response).catch(() => {}));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    echo.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return echo;
  }

  /** Waits until that many requests are held. */
  async holding(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise<void>((resolve) => this.#onHeld.push(resolve));
  }

  /** Lets every held request go on. */
  release(): void {
    for (const go of this.#held.splice(0)) go();
  }

  /** Stops listening and cuts every connection. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #answer(request: Request, response: Response): Promise<void> {
    this.requests++;
    const wishes = new Map<string, string>();
    for (const wish of String(request.headers['x-upstream'] ?? '').split(' ')) {
      const [name, value] = wish.split('=');
      wishes.set(name!, value ?? '');
    }
    if (wishes.has('reset')) return void request.socket.destroy();
    const echo = await this.#read(request);
    if (wishes.has('hold')) await this.#hold();
    const events = Number(wishes.get('events') ?? 0);
    response.writeHead(Number(wishes.get('status') ?? 200), { 'content-type': events ? 'text/event-stream' : 'application/json' });
    for (let i = 1; i <= events; i++) {
      if (i === events) await this.#hold();
      writeTo(response, `data: ${i}\n\n`);
    }
    response.end(events ? 'data: [DONE]\n\n' : JSON.stringify(echo));
  }

  async #read(request: Request): Promise<Echo> {
    const hash = createHash('sha256');
    let bytes = 0;
    let sum = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      for (const byte of chunk) sum += byte;
    }
    return {
      server: this.address,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: plain(request.headers),
      bytes,
      sha256: hash.digest('hex'),
      sum: sum % 65521,
      trailers: plain(request.trailers),
    };
  }

  #hold(): Promise<void> {
    return new Promise((resolve) => {
      this.#held.push(resolve);
      for (const wake of this.#onHeld.splice(0)) wake();
    });
  }
}

function writeTo(response: Response, text: string): void {
  (response as ServerResponse).write(text);
}

function plain(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
