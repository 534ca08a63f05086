import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { EnvoyVersion } from './binary';
import { type BootstrapOptions, bootstrap, listener } from './bootstrap';
import { type ClientResponse, openRequest, send } from './client';
import { type Echo, EchoServer } from './echo';
import { type Answer, answerOf, type Gateway, type GatewayRequest, named, type Setup } from './gateway';
import { writeListeners } from './listeners';
import { type Envoy, startEnvoy } from './process';

const DRAIN_SECONDS = 2;
const PREFIX = 'probe: ';
/** The canary, the main thread and one worker. */
const ROOTS_PER_CONFIGURATION = 3;

/** A real Envoy with one worker, its upstreams and its indexer. */
export async function envoyGateway(version: EnvoyVersion, wasm: string, setup: Setup, directory: string): Promise<Gateway> {
  const servers = { A: await EchoServer.start(), B: await EchoServer.start() };
  const indexer = createServer((_, response) => response.end('pong')).listen(0, '127.0.0.1');
  await once(indexer, 'listening');
  const endpoints = { A: servers.A.address, B: servers.B.address, D: await closedPort(), U: await closedPort() };

  await mkdir(directory, { recursive: true });
  const filter = { wasm, allowOnHeadersStopIteration: setup.pause ?? true };
  const port = Number((await closedPort()).split(':')[1]);
  const optionsFor = (configuration: string): BootstrapOptions => ({
    pool: { name: 'pool', endpoints: [endpoints.A, endpoints.B, ...(setup.dead ? [endpoints.D] : [])], trailers: true },
    clusters: setup.noIndexer ? [] : [{ name: 'indexer', endpoints: [`127.0.0.1:${(indexer.address() as AddressInfo).port}`] }],
    filters: [{ ...filter, configuration }],
    strip: setup.strip ?? true,
    ...(setup.bufferLimitBytes !== undefined && { bufferLimitBytes: setup.bufferLimitBytes }),
    ...(setup.updates && { listenersDirectory: directory, listen: { port } }),
  });
  const options = optionsFor(setup.configuration ?? 'A tick=50');
  const second = setup.second;
  const moreListeners = second === undefined ? [] : [listener({ ...optionsFor(second), listenerName: 'second' })];
  if (setup.updates) await writeListeners(directory, [listener(options)]);
  const envoy = await startEnvoy({ version, config: bootstrap({ ...options, moreListeners }), drainSeconds: DRAIN_SECONDS });
  const address = await envoy.address();
  const secondAddress = second === undefined ? address : await envoy.address('second');

  let mark = 0;
  let logging = 0;
  const probeLines = () => envoy.log.slice(mark).flatMap(({ text }) => afterPrefix(text));
  /** A request whose callbacks are logged ends with the line `delete`. */
  const note = ({ headers }: GatewayRequest) => {
    if (String(headers?.['x-probe']).includes('log')) logging++;
  };
  const settled = async () => {
    while (probeLines().filter((line) => line === 'delete').length < logging)
      await once(envoy, 'line', { signal: AbortSignal.timeout(10_000) });
  };
  const toAnswer = (response: ClientResponse) => answerFrom(response, endpoints);
  return {
    endpoints,
    request: async (request) => {
      note(request);
      return toAnswer(await send(request.second ? secondAddress : address, clientRequest(request)));
    },
    open: async (request) => {
      note(request);
      const open = openRequest(request.second ? secondAddress : address, clientRequest({ method: 'POST', ...request }));
      let answered = false;
      const learn = () => {
        answered = true;
      };
      open.response.then(learn, learn);
      return {
        answered: async () => answered,
        write: open.write,
        end: async (trailers) => open.end(trailers),
        reset: async () => open.reset(),
        answer: async () => toAnswer(await open.response),
      };
    },
    pass: () => delay(120),
    backOff: () => delay(2000),
    update: async (configuration) => {
      const before = await updates(envoy);
      await writeListeners(directory, [listener(optionsFor(configuration))]);
      for (;;) {
        const now = await updates(envoy);
        if (now.rejected > before.rejected) return false;
        const label = `configure ${configuration.split(' ')[0]} `;
        if (now.accepted > before.accepted && probeLines().filter((line) => line.startsWith(label)).length >= ROOTS_PER_CONFIGURATION)
          return true;
        await delay(20);
      }
    },
    drained: async (label) => {
      const deleted = () => probeLines().filter((line) => line.startsWith(`root delete ${label}`)).length;
      while (deleted() < ROOTS_PER_CONFIGURATION - 1) await once(envoy, 'line', { signal: AbortSignal.timeout(20_000) });
    },
    lines: async () => {
      await settled();
      return probeLines();
    },
    logged: async (text) => {
      while (!probeLines().includes(text)) await once(envoy, 'line', { signal: AbortSignal.timeout(10_000) });
    },
    mark: () => {
      mark = envoy.log.length;
      logging = 0;
    },
    stop: async () => {
      await envoy.stop();
      indexer.close();
      await Promise.all([servers.A.stop(), servers.B.stop()]);
    },
  };
}

async function updates(envoy: Envoy): Promise<{ accepted: number; rejected: number }> {
  const stats = await envoy.stats(/listener_manager.lds.update/);
  return { accepted: stats['listener_manager.lds.update_success'] ?? 0, rejected: stats['listener_manager.lds.update_rejected'] ?? 0 };
}

/** A port that was free a moment ago: nobody listens there. */
async function closedPort(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

function afterPrefix(text: string): string[] {
  const at = text.indexOf(PREFIX);
  return at < 0 ? [] : [text.slice(at + PREFIX.length)];
}

function clientRequest({ second: _, ...request }: GatewayRequest) {
  return request;
}

function answerFrom({ status, body }: ClientResponse, endpoints: Readonly<Record<string, string>>): Answer {
  let echo: Echo;
  try {
    echo = JSON.parse(body.toString()) as Echo;
  } catch {
    return answerOf({ status, text: status === 418 ? body.toString() : undefined });
  }
  return answerOf({
    status,
    endpoint: named(echo.server, endpoints),
    bytes: echo.bytes,
    sum: echo.sum,
    probed: echo.headers['x-probed'],
    config: echo.headers['x-config'],
    destination: named(echo.headers['x-gateway-destination-endpoint'], endpoints),
    trailers: echo.trailers,
  });
}
