import { request as http1Request, type IncomingMessage } from 'node:http';
import { connect } from 'node:http2';

export interface ClientRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly http2?: boolean;
}

export interface ClientResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A request whose body is sent bit by bit. */
export interface OpenRequest {
  /** Sends bytes; resolves when they are handed to the kernel. */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends the body, with trailers if there are any. */
  end(trailers?: Readonly<Record<string, string>>): void;
  /** Cuts it. */
  reset(): void;
  /** The whole answer; rejects when the stream is cut. */
  readonly response: Promise<ClientResponse>;
  /** Resolves once the response's headers are there. */
  readonly responseHeaders: Promise<number>;
}

/** Sends a request with a whole body, of known length unless `chunks` are given, and waits for the answer. */
export async function send(
  address: string,
  request: ClientRequest & { body?: Uint8Array; chunks?: readonly Uint8Array[]; trailers?: Readonly<Record<string, string>> } = {},
): Promise<ClientResponse> {
  const { body, chunks = body ? [body] : [], trailers, ...head } = request;
  const headers = { ...head.headers, ...(body && !trailers && { 'content-length': `${body.length}` }) };
  const open = openRequest(address, { ...head, headers }, { empty: chunks.length === 0 && !trailers });
  // The answer may come, or the stream be cut, before all is sent.
  const sent = (async () => {
    for (const chunk of chunks) await open.write(chunk);
    if (chunks.length || trailers) open.end(trailers);
  })().catch(() => {});
  const response = await open.response;
  await Promise.race([sent, Promise.resolve()]);
  return response;
}

export function openRequest(address: string, request: ClientRequest, { empty = false } = {}): OpenRequest {
  return request.http2 ? openHttp2(address, request, empty) : openHttp1(address, request, empty);
}

function openHttp1(address: string, { method, path = '/', headers }: ClientRequest, empty: boolean): OpenRequest {
  const { hostname, port } = new URL(`http://${address}`);
  const outgoing = http1Request({
    hostname,
    port,
    path,
    method: method ?? (empty ? 'GET' : 'POST'),
    headers: { ...headers },
    agent: false,
  });
  const started = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
  });
  const response = started.then(async (incoming) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    return { status: incoming.statusCode ?? 0, headers: plain(incoming.headers), body: Buffer.concat(chunks) };
  });
  const responseHeaders = started.then((incoming) => incoming.statusCode ?? 0);
  for (const promise of [started, response, responseHeaders]) promise.catch(() => {});
  outgoing.on('error', () => {});
  if (empty) outgoing.end();
  else outgoing.flushHeaders();
  return {
    write: (chunk) => new Promise((resolve, reject) => outgoing.write(chunk, (error) => (error ? reject(error) : resolve()))),
    end: (trailers) => {
      if (trailers) outgoing.addTrailers({ ...trailers });
      outgoing.end();
    },
    reset: () => void outgoing.destroy(),
    response,
    responseHeaders,
  };
}

function openHttp2(address: string, request: ClientRequest, empty: boolean): OpenRequest {
  const session = connect(`http://${address}`);
  session.on('error', () => {});
  const pseudo = { ':method': request.method ?? (empty ? 'GET' : 'POST'), ':path': request.path ?? '/' };
  const stream = session.request({ ...request.headers, ...pseudo }, { endStream: empty, waitForTrailers: !empty });
  stream.once('close', () => session.close());
  let endTrailers: Readonly<Record<string, string>> = {};
  stream.once('wantTrailers', () => stream.sendTrailers({ ...endTrailers }));
  const responseHeaders = new Promise<Record<string, string>>((resolve, reject) => {
    stream.once('response', (headers) => resolve(plain(headers)));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error(`stream closed with code ${stream.rstCode}`)));
  });
  const response = responseHeaders.then(async ({ ':status': status, ...headers }) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    return { status: Number(status), headers, body: Buffer.concat(chunks) };
  });
  const status = responseHeaders.then((headers) => Number(headers[':status']));
  for (const promise of [responseHeaders, response, status]) promise.catch(() => {});
  stream.on('error', () => {});
  return {
    write: (chunk) => new Promise((resolve, reject) => stream.write(chunk, (error) => (error ? reject(error) : resolve()))),
    end: (trailers = {}) => {
      endTrailers = trailers;
      stream.end();
    },
    reset: () => stream.close(8),
    response,
    responseHeaders: status,
  };
}

function plain(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
