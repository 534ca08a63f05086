// A small HTTP server: routes, JSON bodies, OpenAI's error shape, and the header that names the engine.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError } from './errors.js';
import type { Json } from './prepare.js';

export interface Request {
  readonly path: string;
  readonly body: Json;
  /** the body as it came */
  readonly raw: string;
  readonly headers: IncomingMessage['headers'];
}

export type Handler = (request: Request, response: ServerResponse) => Promise<void> | void;

/** Handlers by `METHOD /path`. */
export type Routes = ReadonlyMap<string, Handler>;

const ERROR_TYPE: Readonly<Record<number, string>> = { 400: 'BadRequestError', 403: 'Forbidden', 404: 'NotFoundError' };

export function sendJson(response: ServerResponse, status: number, body: Json): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function sendError(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { error: { message, type: ERROR_TYPE[status] ?? 'InternalServerError', param: null, code: status } });
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(raw: string): Json {
  if (raw === '') return undefined;
  try {
    return JSON.parse(raw);
  } catch (error) {
    throw new ApiError(400, `the body is not JSON: ${(error as Error).message}`);
  }
}

export class HttpServer {
  private readonly server: Server;
  private readonly onRequest: () => void;

  constructor(routes: Routes, engineName: () => string, onRequest: () => void = () => {}) {
    this.onRequest = onRequest;
    this.server = createServer((message, response) => {
      response.setHeader('x-engine', engineName());
      void this.serve(routes, message, response);
    });
    this.server.keepAliveTimeout = 600_000;
  }

  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, '127.0.0.1', () => resolve());
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
    this.server.closeAllConnections();
    await closed;
  }

  private async serve(routes: Routes, message: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(message.url ?? '/', 'http://engine').pathname;
    try {
      const handler = routes.get(`${message.method} ${path}`);
      const raw = await readBody(message);
      if (handler === undefined) return sendJson(response, 404, { detail: 'Not Found' });
      this.onRequest();
      await handler({ path, raw, body: parseBody(raw), headers: message.headers }, response);
    } catch (error) {
      if (response.headersSent || response.destroyed) response.destroy();
      else if (error instanceof ApiError) sendError(response, error.status, error.message);
      else sendError(response, 500, error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }
}
