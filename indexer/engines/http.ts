// HTTP to engines: keep-alive connections, a deadline, a bounded answer.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { KvaneError } from '../errors.js';

const ANSWER_MAX_BYTES = 64 << 20;
const agents = { keepAlive: true, maxSockets: 8, maxFreeSockets: 2, timeout: 30_000 };
const http = new HttpAgent(agents);
const https = new HttpsAgent(agents);

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** GET, or POST when there is a body (sent as JSON). Rejects with `engine.unreachable`; any status is an answer. */
export function fetchEngine(url: string, options: { timeoutMs: number; body?: unknown; signal?: AbortSignal }): Promise<HttpAnswer> {
  const payload = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
  const secure = url.startsWith('https:');
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      clearTimeout(timer);
      reject(new KvaneError('engine.unreachable', `${url} does not answer`, { cause, fields: { url } }));
    };
    const request = (secure ? httpsRequest : httpRequest)(
      url,
      {
        agent: secure ? https : http,
        method: payload ? 'POST' : 'GET',
        headers: payload ? { 'content-type': 'application/json', 'content-length': payload.length } : {},
        ...(options.signal && { signal: options.signal }),
      },
      (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length > ANSWER_MAX_BYTES) request.destroy(new Error('answer too large'));
        });
        response.on('error', fail);
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) });
        });
      },
    );
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${options.timeoutMs} ms`)), options.timeoutMs);
    request.on('error', fail);
    request.end(payload);
  });
}

/** Idle connections to engines would keep the process alive. */
export function closeIdleConnections(): void {
  http.destroy();
  https.destroy();
}
