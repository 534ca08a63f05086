// The demo's clients: one that waits for a whole answer, and one that streams and times the first token.
import { Agent, type IncomingMessage, request } from 'node:http';

// biome-ignore lint/suspicious/noExplicitAny: an engine's JSON
type Json = any;

/** Connections are kept, as any real client keeps them. */
const agent = new Agent({ keepAlive: true, maxSockets: 256 });

function post(address: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const { hostname, port } = new URL(`http://${address}`);
  const bytes = Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        hostname,
        port,
        path,
        agent,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': bytes.length, ...headers },
      },
      resolve,
    );
    outgoing.once('error', reject);
    outgoing.end(bytes);
  });
}

export interface Answer {
  readonly json: Json;
  /** Name of the engine that answered. */
  readonly engine: string;
}

export async function ask(address: string, path: string, body: unknown, requestId?: string): Promise<Answer> {
  const response = await post(address, path, body, requestId === undefined ? {} : { 'x-request-id': requestId });
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}: ${text.slice(0, 200)}`);
  return { json: JSON.parse(text), engine: String(response.headers['x-engine']) };
}

export interface Streamed {
  readonly ok: boolean;
  readonly firstTokenMs: number;
}

/** A streamed answer, timed from the moment the request is made. It fails unless it ends with `[DONE]`. */
export async function stream(address: string, path: string, body: object): Promise<Streamed> {
  const start = performance.now();
  let firstTokenMs = Number.NaN;
  let end = '';
  try {
    const response = await post(address, path, { ...body, stream: true });
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (Number.isNaN(firstTokenMs)) firstTokenMs = performance.now() - start;
      end = (end + chunk.toString('latin1')).slice(-32);
    }
    return { ok: response.statusCode === 200 && end.endsWith('data: [DONE]\n\n'), firstTokenMs };
  } catch {
    return { ok: false, firstTokenMs };
  }
}

export function closeConnections(): void {
  agent.destroy();
}
