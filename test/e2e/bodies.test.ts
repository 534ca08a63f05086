// Whatever body plain Envoy delivers, Envoy with kvane delivers too: the same listener with and without the filter, side by side.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClientRequest, openRequest, send } from '../envoy/client';
import { type Echo, EchoServer } from '../envoy/echo';
import { type Envoy, startEnvoy } from '../envoy/process';
import { fleetBootstrap, PLAIN_LISTENER, until } from './fleet';
import { POOL } from './gateway';
import { ScriptedIndexer } from './scripted-indexer';

const KIB = 1 << 10;
const MIB = 1 << 20;
const SIZES = [0, 1, 2, 1023, 16 * KIB, 16 * KIB + 1, 64 * KIB, MIB - 1, MIB, MIB + 1, 2 * MIB, 8 * MIB];
const PATH = '/v1/completions';

/** A completion of exactly so many bytes, or what of it fits. */
function bodyOf(bytes: number): Buffer {
  const frame = '{"model":"m","prompt":""}';
  const text = 'Waltz, bad nymph, for quick jigs vex. '.repeat(Math.ceil(bytes / 38)).slice(0, Math.max(0, bytes - frame.length));
  return Buffer.from(`{"model":"m","prompt":"${text}"}`.slice(0, bytes));
}

function pieces(body: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(body.length / size) }, (_, i) => body.subarray(i * size, (i + 1) * size));
}

type Shape = Pick<ClientRequest, 'http2'> & { readonly name: string; of(body: Buffer): object };

const SHAPES: readonly Shape[] = [
  { name: 'HTTP/1.1 with a length', of: (body) => ({ body }) },
  { name: 'HTTP/1.1 chunked', of: (body) => ({ chunks: pieces(body, 50_000) }) },
  { name: 'HTTP/1.1 chunked with trailers', of: (body) => ({ chunks: pieces(body, 50_000), trailers: { 'x-end': 'yes' } }) },
  { name: 'HTTP/2', http2: true, of: (body) => ({ chunks: pieces(body, 50_000) }) },
  { name: 'HTTP/2 with a length', http2: true, of: (body) => ({ body }) },
  { name: 'HTTP/2 with trailers', http2: true, of: (body) => ({ chunks: pieces(body, 50_000), trailers: { 'x-end': 'yes' } }) },
];

let servers: EchoServer[];
beforeAll(async () => {
  servers = [await EchoServer.start(), await EchoServer.start()];
});
afterAll(async () => {
  for (const server of servers ?? []) await server.stop();
});

describe.each(['1.40.0', '1.37.0'] as const)('Envoy %s', (version) => {
  // The second is below every default: stalls happen at once.
  describe.each([undefined, 32 * KIB])('buffer limit %s', (bufferLimitBytes) => {
    let envoy: Envoy;
    let indexer: ScriptedIndexer;
    let kvane: string;
    let plain: string;
    const counter = async (name: string): Promise<number> => (await envoy.stats(/wasmcustom/))[`wasmcustom.kvane.${name}`] ?? 0;

    beforeAll(async () => {
      const endpoints = { [POOL]: servers.map(({ address }) => address) };
      [indexer] = await ScriptedIndexer.withPool(POOL, endpoints[POOL]!);
      const config = fleetBootstrap({
        pools: [{ name: POOL, cluster: POOL }],
        endpoints,
        indexer: indexer.address,
        filter: { watchdogMs: 150 },
        ...(bufferLimitBytes !== undefined && { options: { bufferLimitBytes } }),
      });
      envoy = await startEnvoy({ version, config, concurrency: 2 });
      [kvane, plain] = [await envoy.address(), await envoy.address(PLAIN_LISTENER)];
      await until(async () => (await counter(`snapshots_applied_pool=${POOL}`)) >= 3, 'the summary is in every VM');
    });
    afterAll(async () => {
      await envoy?.stop();
      await indexer?.stop();
    });

    /** What arrived, or how it failed. */
    const outcome = async (address: string, request: object): Promise<object> => {
      const { status, body } = await send(address, { method: 'POST', path: PATH, ...request });
      if (status !== 200) return { status };
      const { bytes, sha256, trailers } = JSON.parse(body.toString()) as Echo;
      return { status, bytes, sha256, trailers };
    };

    test.each(SHAPES)('$name, from 0 bytes to 8 MiB', async ({ http2 = false, of }) => {
      for (const size of SIZES) {
        const request = { http2, ...of(bodyOf(size)) };
        const [with_, without] = await Promise.all([outcome(kvane, request), outcome(plain, request)]);
        expect({ size, ...with_ }).toEqual({ size, ...without });
        expect(without).toMatchObject({ status: 200, bytes: size });
      }
    });

    test('thirty bodies above every limit at once', async () => {
      const request = { body: bodyOf(2 * MIB) };
      const expected = await outcome(plain, request);
      const answers = await Promise.all(Array.from({ length: 30 }, () => outcome(kvane, request)));
      expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(new Set([JSON.stringify(expected)]));
    });

    test('what stalls once is learnt: the next bodies are decided about below that, without a watchdog', async () => {
      const bodies = async (): Promise<number> => {
        for (let i = 0; i < 16; i++) expect(await outcome(kvane, { body: bodyOf(800 * KIB) })).toMatchObject({ status: 200 });
        await delay(100); // counters come with the tick
        return counter('watchdog_releases');
      };
      const known = await bodies(); // both workers have seen one
      expect(await bodies()).toBe(known);
    });

    test('a sender slower than the watchdog loses nothing and teaches nothing', async () => {
      const body = bodyOf(5000);
      for (const http2 of [false, true]) {
        const released = await counter('watchdog_releases');
        const open = openRequest(kvane, { method: 'POST', path: PATH, http2 });
        await open.write(body.subarray(0, 2000));
        await until(async () => (await counter('watchdog_releases')) > released, 'the watchdog lets it go');
        await open.write(body.subarray(2000));
        open.end();
        expect(JSON.parse((await open.response).body.toString())).toMatchObject({ bytes: 5000 });
        const early = await counter(`requests_reason=early_pool=${POOL}`);
        expect(await outcome(kvane, { http2, body: bodyOf(20_000) })).toMatchObject({ status: 200, bytes: 20_000 });
        expect(await counter(`requests_reason=early_pool=${POOL}`)).toBe(early);
      }
    });

    test('clients that leave at every stage of a body leave nothing behind', async () => {
      const body = bodyOf(300 * KIB);
      for (const http2 of [false, true])
        for (const bytes of [0, 1, 10_000, 100_000]) {
          const open = openRequest(kvane, { method: 'POST', path: PATH, http2, headers: { 'content-length': `${body.length}` } });
          if (bytes > 0) await open.write(body.subarray(0, bytes)).catch(() => {});
          open.reset();
        }
      expect(await outcome(kvane, { body })).toEqual(await outcome(plain, { body }));
      const active = async (): Promise<number> =>
        (await envoy.stats(/http\.main\.downstream_rq_active/))['http.main.downstream_rq_active'] ?? -1;
      await until(async () => (await active()) === 0, 'no stream is left');
      expect((await envoy.stats(/vm_reload/))['wasm.kvane.vm_reload']).toBe(0);
    });
  });
});
