// The HTTP server: polls, health, metrics, and what the indexer knows about its pools.
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { FORMAT_VERSION } from '../../assembly/core/summary/format.js';
import { type ErrorCode, isKvaneError, KvaneError } from '../errors.js';
import type { Metrics } from '../metrics.js';
import { type Poll, readPoll } from './poll.js';
import type { PollService } from './poll-service.js';

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: everybody may ask. */
  readonly token: string | undefined;
  readonly polls: PollService;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** A proxy polled. */
  readonly polled: (poll: Poll) => void;
  readonly ready: () => boolean;
  /** The answer of /v1/pools. */
  readonly pools: () => unknown;
  /** Brings gauges up to date before they are read. */
  readonly collect: () => void;
}

const BODY_MAX_BYTES = 1 << 20;
const STATUS: Partial<Record<ErrorCode, number>> = {
  'request.invalid': 400,
  'request.unauthorized': 401,
  'request.not-found': 404,
  'request.too-large': 413,
};

export interface RunningServer {
  readonly url: string;
  close(): Promise<void>;
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const server = createServer((request, response) => {
    handle(options, request, response).catch((error: unknown) => fail(options, response, error));
  });
  server.keepAliveTimeout = 75_000;
  server.requestTimeout = 30_000;
  await listen(server, options);
  const { address, port } = server.address() as AddressInfo;
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        // What is being answered may finish; nobody holds up the stop.
        setTimeout(() => server.closeAllConnections(), 500).unref();
      }),
  };
}

const listen = (server: Server, { host, port }: ServerOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new KvaneError('config.invalid', `listen: cannot listen on ${host}:${port}`, { cause, fields: { host, port } })),
    );
    server.listen(port, host, resolve);
  });

async function handle(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0];
  switch (`${request.method} ${path}`) {
    case 'POST /v1/poll':
      authorize(options, request);
      await answerPoll(options, request, response);
      return;
    case 'GET /v1/pools':
      authorize(options, request);
      send(response, 200, 'application/json', JSON.stringify(options.pools()));
      return;
    case 'GET /healthz':
      send(response, 200, 'text/plain', 'ok\n');
      return;
    case 'GET /readyz':
      if (options.ready()) send(response, 200, 'text/plain', 'ready\n');
      else send(response, 503, 'text/plain', 'not ready\n');
      return;
    case 'GET /metrics':
      options.collect();
      send(response, 200, options.metrics.registry.contentType, await options.metrics.registry.metrics());
      return;
    default:
      throw new KvaneError('request.not-found', `there is no ${request.method} ${path}`);
  }
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** Compares digests, so that neither length nor content of the token shows in the time taken. */
function authorize({ token }: ServerOptions, request: IncomingMessage): void {
  if (token === undefined) return;
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  if (!timingSafeEqual(digest(given), digest(token))) throw new KvaneError('request.unauthorized', 'a valid bearer token is required');
}

async function answerPoll(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { metrics, polls } = options;
  const poll = readPoll((await readBody(request)).toString('utf8'));
  options.polled(poll);
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  const messages = await polls.answer(poll, closed.signal);
  if (response.destroyed) return;
  const length = messages.reduce((sum, message) => sum + message.length, 0);
  metrics.polls.inc({ result: length > 0 ? 'messages' : 'nothing' });
  metrics.pollAnswerBytes.inc(length);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': length,
    'x-kvane-format': String(FORMAT_VERSION),
  });
  response.cork();
  for (const message of messages) response.write(message);
  response.end();
  response.uncork();
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= BODY_MAX_BYTES) chunks.push(chunk);
      else reject(new KvaneError('request.too-large', `the body is larger than ${BODY_MAX_BYTES} bytes`));
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', (cause) => reject(new KvaneError('request.invalid', 'the body did not arrive', { cause })));
  });
}

function fail({ log, metrics }: ServerOptions, response: ServerResponse, error: unknown): void {
  const status = isKvaneError(error) ? (STATUS[error.code] ?? 500) : 500;
  if (status === 500) log.error({ err: error }, 'request failed');
  if (!isKvaneError(error, 'request.not-found')) metrics.polls.inc({ result: isKvaneError(error) ? error.code : 'failed' });
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (status === 413) response.setHeader('connection', 'close');
  send(response, status, 'application/json', JSON.stringify({ error: isKvaneError(error) ? error.message : 'internal error' }));
}
