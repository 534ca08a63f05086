// A real Envoy with one worker, the release filter and a scripted indexer.
import { setTimeout as delay } from 'node:timers/promises';
import type { EnvoyVersion } from '../envoy/binary';
import { type ClientResponse, openRequest, send } from '../envoy/client';
import { type Echo, EchoServer } from '../envoy/echo';
import { startEnvoy } from '../envoy/process';
import { fleetBootstrap, freePort, until } from './fleet';
import {
  type Answer,
  answerOf,
  difference,
  type Gateway,
  type GatewayRequest,
  type Label,
  labelOf,
  POOL,
  type Setup,
  TICK_MS,
} from './gateway';
import { ScriptedIndexer } from './scripted-indexer';

/** One worker and the main thread. */
const VMS = 2;
const PASS_MS = 4 * TICK_MS;

export async function envoyGateway(version: EnvoyVersion, setup: Setup): Promise<Gateway> {
  const servers = [await EchoServer.start(), await EchoServer.start()] as const;
  const [A, B, D, U] = [servers[0].address, servers[1].address, `127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const endpoints = { A, B, D, U };
  const [indexer, pool] = await ScriptedIndexer.withPool(POOL, setup.broken ? [A, B, D, U] : [A, B]);
  if (setup.silent) indexer.setMode('hang');
  const { bufferLimitBytes, strip } = setup;
  const config = fleetBootstrap({
    pools: [{ name: POOL, cluster: POOL }],
    endpoints: { [POOL]: setup.broken ? [A, B, D] : [A, B] },
    indexer: indexer.address,
    filter: { tickMs: TICK_MS, ...setup.filter },
    options: { ...(bufferLimitBytes !== undefined && { bufferLimitBytes }), ...(strip !== undefined && { strip }) },
  });
  const envoy = await startEnvoy({ version, config });
  const address = await envoy.address();
  const kvane = async (): Promise<Record<string, number>> => {
    const stats = await envoy.stats(/^wasmcustom\.kvane\./);
    return Object.fromEntries(Object.entries(stats).map(([name, value]) => [name.replace('wasmcustom.', ''), value]));
  };
  const applied = async (): Promise<number> => {
    const stats = await kvane();
    return (stats[`kvane.snapshots_applied_pool=${POOL}`] ?? 0) + (stats[`kvane.deltas_applied_pool=${POOL}`] ?? 0);
  };
  if (!setup.silent) await until(async () => (await applied()) >= VMS, 'the first summary is in both VMs');
  /** Counters stay behind until each VM's next tick. */
  const settled = async (): Promise<Record<string, number>> => {
    for (let last = '', stats = await kvane(); ; stats = await kvane()) {
      const text = JSON.stringify(stats);
      if (text === last) return stats;
      last = text;
      await delay(PASS_MS);
    }
  };
  let before = await settled();
  const toRequest = (request: GatewayRequest) => ({ path: '/v1/completions', ...request });
  return {
    endpoints,
    hold: async (label, prompt) => {
      const known = await applied();
      pool.hold(endpoints[label], prompt);
      indexer.wake();
      await until(async () => (await applied()) >= known + VMS, 'the news is in both VMs');
    },
    request: async (request) => toAnswer(await send(address, toRequest(request)), endpoints),
    open: async (request) => {
      const open = openRequest(address, { method: 'POST', ...toRequest(request) });
      return {
        write: open.write,
        end: async () => open.end(),
        reset: async () => open.reset(),
        answer: async () => toAnswer(await open.response, endpoints),
      };
    },
    pass: () => delay(PASS_MS),
    counters: async () => difference(before, await settled()),
    mark: async () => {
      before = await settled();
    },
    stop: async () => {
      await envoy.stop();
      await indexer.stop();
      for (const server of servers) await server.stop();
    },
  };
}

function toAnswer({ status, body }: ClientResponse, endpoints: Readonly<Record<Label, string>>): Answer {
  let echo: Echo;
  try {
    echo = JSON.parse(body.toString()) as Echo;
  } catch {
    return answerOf({ status });
  }
  const header = echo.headers['x-gateway-destination-endpoint'];
  return answerOf({
    status,
    endpoint: labelOf(echo.server, endpoints),
    bytes: echo.bytes,
    sum: echo.sum,
    destinations: header?.split(',').map((address) => labelOf(address, endpoints)),
    trailers: echo.trailers,
  });
}
