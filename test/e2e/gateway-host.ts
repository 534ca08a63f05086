// The Node host in strict mode, with the release filter and the same scripted pool.
import { readPoll } from '../../indexer/publish/poll';
import { type FilterModule, Host, type Stream } from '../host/index';
import { filterConfiguration, INDEXER_CLUSTER } from './fleet';
import { type Answer, answerOf, difference, type Gateway, type GatewayRequest, labelOf, POOL, type Setup, sumOf, TICK_MS } from './gateway';
import { answerTo } from './scripted-indexer';
import { ScriptedPool } from './scripted-pool';

const ENDPOINTS = { A: '10.0.0.1:8000', B: '10.0.0.2:8000', D: '10.0.0.3:8000', U: '10.0.0.4:8000' };
const TICKS_MAX = 200;
const VMS = 2;

export async function hostGateway(wasm: FilterModule, setup: Setup): Promise<Gateway> {
  const { A, B, D, U } = ENDPOINTS;
  const pool = await ScriptedPool.create(POOL, setup.broken ? [A, B, D, U] : [A, B]);
  const host = await Host.start({
    wasm,
    configuration: filterConfiguration([{ name: POOL, cluster: POOL }], { tickMs: TICK_MS, ...setup.filter }),
    clusters: { [POOL]: setup.broken ? [A, B, D] : [A, B], [INDEXER_CLUSTER]: ['10.0.0.9:8600'] },
    ...(setup.bufferLimitBytes !== undefined && { bufferLimitBytes: setup.bufferLimitBytes }),
    strip: setup.strip ?? true,
    upstream: () => ({ status: 200, body: 'ok' }),
  });
  host.unreachable.add(D);

  const answerPolls = (): void => {
    if (setup.silent) return;
    for (const call of host.calls()) {
      const body = answerTo(new Map([[POOL, pool]]), readPoll(Buffer.from(call.body).toString()));
      if (body.length > 0) call.respond({ headers: { 'x-kvane-format': '1' }, body });
    }
  };
  const tick = (): void => {
    answerPolls();
    host.advance(TICK_MS);
  };
  const applied = (): number => {
    const stats = host.metrics.values();
    return (stats[`kvane.snapshots_applied_pool=${POOL}`] ?? 0) + (stats[`kvane.deltas_applied_pool=${POOL}`] ?? 0);
  };
  const tickUntil = (holds: () => boolean, what: string): void => {
    for (let i = 0; !holds(); i++) {
      if (i > TICKS_MAX) throw new Error(`not within ${TICKS_MAX} ticks: ${what}`);
      tick();
    }
  };
  if (!setup.silent) tickUntil(() => applied() >= VMS, 'the first summary is in both VMs');
  let before = host.metrics.values();

  const open = ({ body, chunks, trailers, ...head }: GatewayRequest): Stream => {
    const bodyless = !body && !chunks && !trailers;
    const method = head.method ?? (bodyless ? 'GET' : 'POST');
    const stream = host.request({ path: '/v1/completions', ...head, method, ...(body && { body }), ...(body && trailers && { trailers }) });
    for (const chunk of chunks ?? []) stream.body(chunk);
    if (chunks && trailers) stream.trailers(trailers);
    else if (chunks) stream.body(new Uint8Array(), true);
    return stream;
  };
  const answer = (stream: Stream): Answer => {
    tickUntil(() => stream.result.status !== undefined, 'an answer');
    const { status, upstream } = stream.result;
    return answerOf({
      status: status!,
      endpoint: upstream && labelOf(upstream.endpoint, ENDPOINTS),
      bytes: upstream?.body.length,
      sum: upstream && sumOf(upstream.body),
      destinations: upstream?.headers['x-gateway-destination-endpoint']?.split(',').map((address) => labelOf(address, ENDPOINTS)),
      trailers: upstream?.trailers,
    });
  };
  return {
    endpoints: ENDPOINTS,
    hold: async (label, prompt) => {
      const known = applied();
      pool.hold(ENDPOINTS[label], prompt);
      tickUntil(() => applied() >= known + VMS, 'the news is in both VMs');
    },
    request: async (request) => answer(open(request)),
    open: async (request) => {
      const stream = host.request({ method: 'POST', path: '/v1/completions', ...request });
      return {
        write: async (bytes) => void stream.body(bytes),
        end: async () => void stream.body(new Uint8Array(), true),
        reset: async () => void stream.reset(),
        answer: async () => answer(stream),
      };
    },
    pass: async () => {
      for (let i = 0; i < 4; i++) tick();
    },
    counters: async () => {
      tick();
      return difference(before, host.metrics.values());
    },
    mark: async () => {
      tick();
      before = host.metrics.values();
    },
    stop: async () => host.stop(),
  };
}
