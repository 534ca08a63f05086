import { type FilterModule, Host, type Stream } from '../host/index';
import { type Answer, answerOf, type Gateway, type GatewayRequest, named, type OpenRequest, type Setup, sum } from './gateway';

const ENDPOINTS = { A: '10.0.0.1:8000', B: '10.0.0.2:8000', D: '10.0.0.3:8000', U: '10.0.0.4:8000' };
const DRAIN_MS = 2000;
const TICK_MS = 50;
const PREFIX = 'probe: ';

/** The Node host, not strict: scenarios do on purpose what strict mode would refuse. */
export async function hostGateway(wasm: FilterModule, setup: Setup): Promise<Gateway> {
  const first = { name: 'first', configuration: setup.configuration ?? 'A tick=50', allowOnHeadersStopIteration: setup.pause ?? true };
  const { A, B, D } = ENDPOINTS;
  const host = await Host.start({
    wasm,
    plugins: [first, ...(setup.second === undefined ? [] : [{ ...first, name: 'second', configuration: setup.second }])],
    clusters: { pool: [A, B, ...(setup.dead ? [D] : [])], ...(!setup.noIndexer && { indexer: ['10.0.0.9:8000'] }) },
    ...(setup.bufferLimitBytes !== undefined && { bufferLimitBytes: setup.bufferLimitBytes }),
    strip: setup.strip ?? true,
    strict: false,
    allowTraps: true,
    drainMs: DRAIN_MS,
    upstream: ({ headers }) => ({ status: Number(/status=(\d+)/.exec(headers['x-upstream'] ?? '')?.[1] ?? 200), body: 'ok' }),
  });
  host.unreachable.add(D);

  let mark = 0;
  const open = ({ method, headers, http2, body, chunks, trailers, second }: GatewayRequest): Stream => {
    const bodyless = !body && !chunks && !trailers;
    const stream = host.request({
      method: method ?? (bodyless ? 'GET' : 'POST'),
      ...(headers && { headers }),
      ...(http2 && { http2 }),
      ...(second && { plugin: 'second' }),
      ...(body && !trailers && { body }),
      ...(body && trailers && { body, trailers }),
    });
    for (const chunk of chunks ?? []) stream.body(chunk);
    if (chunks && trailers) stream.trailers(trailers);
    else if (chunks?.length) stream.body(new Uint8Array(), true);
    return stream;
  };
  const pass = async () => {
    for (const call of host.calls()) call.respond({ body: 'pong' });
    host.advance(TICK_MS);
  };
  const answer = async (stream: Stream): Promise<Answer> => {
    for (let i = 0; i < 10 && stream.result.status === undefined; i++) await pass();
    return toAnswer(stream);
  };
  return {
    endpoints: ENDPOINTS,
    request: async (request) => answer(open(request)),
    open: async (request): Promise<OpenRequest> => {
      const stream = open({ ...request, method: request.method ?? 'POST' });
      return {
        write: async (chunk) => void stream.body(chunk),
        end: async (trailers) => void (trailers ? stream.trailers(trailers) : stream.body(new Uint8Array(), true)),
        reset: async () => void stream.reset(),
        answer: () => answer(stream),
        answered: async () => stream.result.status !== undefined,
      };
    },
    pass,
    backOff: async () => host.advance(3000),
    update: async (configuration) => host.update(configuration),
    drained: async () => host.advance(DRAIN_MS),
    lines: async () => host.logs.slice(mark).flatMap(({ text }) => (text.startsWith(PREFIX) ? [text.slice(PREFIX.length)] : [])),
    logged: async (text) => {
      if (!host.logs.slice(mark).some((line) => line.text === PREFIX + text)) throw new Error(`the probe did not log "${text}"`);
    },
    mark: () => {
      mark = host.logs.length;
    },
    stop: async () => host.stop(),
  };
}

function toAnswer(stream: Stream): Answer {
  const { status, upstream, from, body } = stream.result;
  if (status === undefined) throw new Error(`no answer; the stream is ${stream.result.state}`);
  if (from === 'proxy' || !upstream) return answerOf({ status, text: status === 418 ? body.toString() : undefined });
  return answerOf({
    status,
    endpoint: named(upstream.endpoint, ENDPOINTS),
    bytes: upstream.body.length,
    sum: sum(upstream.body),
    probed: upstream.headers['x-probed'],
    config: upstream.headers['x-config'],
    destination: named(upstream.headers['x-gateway-destination-endpoint'], ENDPOINTS),
    trailers: upstream.trailers,
  });
}
