import { type Answer, bytes, type Gateway, type GatewayRequest, type Setup, sum } from './gateway';

/** Something a client does, and what must come of it on every gateway. Named after the hazard. */
export interface Scenario {
  readonly name: string;
  readonly setup: Setup;
  readonly run: (gateway: Gateway) => Promise<unknown>;
  readonly expected: unknown;
}

const BASE: Setup = {};
/** No tick: nothing is released but by an answer. */
const UNTICKED: Setup = { configuration: 'A' };
const SMALL_LIMIT = 32_768;
const SMALL: Setup = { bufferLimitBytes: SMALL_LIMIT };
const UNPROTECTED: Setup = { strip: false };
const MIB = 1 << 20;

/** A request with the probe's verbs that wants to go to these endpoints. */
function ask(gateway: Gateway, verbs: string, want = 'B', more: GatewayRequest = {}): GatewayRequest {
  const destination = want.replace(/[ABDU]/g, (name) => gateway.endpoints[name as 'A']);
  return { ...more, headers: { 'x-probe': verbs, ...(want && { 'x-want': destination }), ...more.headers } };
}

/** What a body that went through whole, and was seen whole by the probe, answers. */
function whole(body: Uint8Array, more: Partial<Answer> = {}): Answer {
  return {
    status: 200,
    endpoint: 'B',
    ...(body.length && { bytes: body.length, sum: sum(body) }),
    probed: `seen ${body.length} sum ${sum(body)}`,
    config: 'A',
    destination: 'B',
    ...more,
  } as Answer;
}

const empty = (more: Partial<Answer> = {}): Answer => ({ ...whole(new Uint8Array()), bytes: 0, sum: 0, ...more });
const untouched = (answer: Answer) => ({ ...answer, endpoint: answer.endpoint && 'any' });

const forged = (gateway: Gateway, verbs: string) =>
  ask(gateway, verbs, '', { headers: { 'x-gateway-destination-endpoint': gateway.endpoints.B }, body: bytes(10) });

const RESPONSE_LINES = ['response headers end=false', 'response body end', 'log', 'done', 'delete'];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a request without a body is routed from the headers callback',
    setup: BASE,
    run: (gateway) => gateway.request(ask(gateway, 'hold')),
    expected: empty(),
  },
  ...[0, 1, 7, 16_384, 16_385, 100_000, MIB].flatMap((size) =>
    [false, true].map((http2) => ({
      name: `a body of ${size} bytes is held, seen whole, routed and delivered, HTTP/${http2 ? 2 : 1.1}`,
      setup: BASE,
      run: (gateway: Gateway) => gateway.request(ask(gateway, 'hold', 'B', { body: bytes(size), http2, method: 'POST' })),
      expected: size ? whole(bytes(size)) : empty(),
    })),
  ),
  ...[false, true].map((http2) => ({
    name: `a body of unknown length in pieces, HTTP/${http2 ? 2 : 1.1}`,
    setup: BASE,
    run: (gateway: Gateway) => gateway.request(ask(gateway, 'hold', 'B', { http2, chunks: [bytes(5), bytes(40_000), bytes(1)] })),
    expected: whole(Buffer.concat([bytes(5), bytes(40_000), bytes(1)])),
  })),
  ...[false, true].map((http2) => ({
    name: `trailers say the end, not the body, HTTP/${http2 ? 2 : 1.1}`,
    setup: BASE,
    run: async (gateway: Gateway) => {
      const answer = await gateway.request(
        ask(gateway, 'hold log', 'B', { http2, chunks: [bytes(3000), bytes(9)], trailers: { 'x-end': 'yes' } }),
      );
      return [answer, await gateway.lines()];
    },
    expected: [
      whole(Buffer.concat([bytes(3000), bytes(9)]), { trailers: { 'x-end': 'yes' } }),
      ['request headers end=false', `request trailers seen=3009 sum=${sum(Buffer.concat([bytes(3000), bytes(9)]))}`, ...RESPONSE_LINES],
    ],
  })),
  {
    name: 'callbacks come in the same order, the end of the body alone and last',
    setup: BASE,
    run: async (gateway) => {
      await gateway.request(ask(gateway, 'hold log', 'A', { body: bytes(7) }));
      return gateway.lines();
    },
    expected: ['request headers end=false', `request body end seen=7 sum=${sum(bytes(7))}`, ...RESPONSE_LINES],
  },
  {
    name: 'destination lists: unknown hosts are passed over, a dead one is retried on the next',
    setup: { dead: true },
    run: async (gateway) => {
      const answers: unknown[] = [];
      for (const want of ['A', 'B', 'A,B', 'U,B', 'B, A', 'D,B', 'D,A']) {
        const { status, endpoint } = await gateway.request(ask(gateway, 'hold', want));
        answers.push(`${want} → ${status} ${endpoint}`);
      }
      return answers;
    },
    expected: ['A → 200 A', 'B → 200 B', 'A,B → 200 A', 'U,B → 200 B', 'B, A → 200 B', 'D,B → 200 B', 'D,A → 200 A'],
  },
  {
    name: 'an unknown host alone falls back to the cluster',
    setup: BASE,
    run: async (gateway) => untouched(await gateway.request(ask(gateway, 'hold', 'U'))),
    expected: empty({ endpoint: 'any', destination: 'U' }),
  },
  {
    name: 'a forged destination is stripped natively, even if the filter does not',
    setup: BASE,
    run: async (gateway) => untouched(await gateway.request(forged(gateway, 'pass keep'))),
    expected: { status: 200, endpoint: 'any', bytes: 10, sum: sum(bytes(10)), config: 'A' },
  },
  {
    name: 'a forged destination is stripped by the filter, if nothing does it before',
    setup: UNPROTECTED,
    run: async (gateway) => untouched(await gateway.request(forged(gateway, 'pass'))),
    expected: { status: 200, endpoint: 'any', bytes: 10, sum: sum(bytes(10)), config: 'A' },
  },
  {
    name: 'a forged destination that nobody strips is honoured',
    setup: UNPROTECTED,
    run: (gateway) => gateway.request(forged(gateway, 'pass keep')),
    expected: { status: 200, endpoint: 'B', bytes: 10, sum: sum(bytes(10)), config: 'A', destination: 'B' },
  },
  {
    name: 'early decision: the rest of the body streams through',
    setup: BASE,
    run: async (gateway) => {
      const { probed, ...answer } = await gateway.request(ask(gateway, 'hold early=100000', 'B', { body: bytes(8 * MIB) }));
      return { ...answer, decidedEarly: Number(probed?.split(' ')[1]) < 2 * MIB };
    },
    expected: { ...whole(bytes(8 * MIB)), probed: undefined, decidedEarly: true },
  },
  {
    name: 'a body that is stopped again after a part of it went on arrives twice: a mistake that a filter must not make',
    setup: BASE,
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'hold early=1000 again', 'B'));
      await stream.write(bytes(1000));
      await gateway.pass();
      await stream.write(bytes(100));
      await gateway.pass();
      await stream.end();
      return (await stream.answer()).bytes;
    },
    expected: 2100,
  },
  {
    name: 'status 1 above the limit is a 413, even if the filter would let go now',
    setup: SMALL,
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'buffer early=30001', 'B'));
      await stream.write(bytes(30_000));
      await gateway.pass();
      await stream.write(bytes(16_000));
      return stream.answer();
    },
    expected: { status: 413 },
  },
  {
    name: 'status 2 at the same place lets go',
    setup: SMALL,
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'hold early=30001', 'B'));
      await stream.write(bytes(30_000));
      await gateway.pass();
      await stream.write(bytes(16_000));
      await stream.end();
      return stream.answer();
    },
    expected: whole(Buffer.concat([bytes(30_000), bytes(16_000)])),
  },
  {
    name: 'status 1 below the limit sees the whole body each time',
    setup: BASE,
    run: (gateway) => gateway.request(ask(gateway, 'buffer', 'B', { chunks: [bytes(1000), bytes(70_000), bytes(3)] })),
    expected: whole(Buffer.concat([bytes(1000), bytes(70_000), bytes(3)])),
  },
  {
    name: 'a stall above the limit is released by the tick, and every body is complete',
    setup: SMALL,
    run: async (gateway) => {
      const requests = Array.from({ length: 30 }, () => ask(gateway, 'watchdog', 'B', { body: bytes(200_000) }));
      const answers = await Promise.all(requests.map((request) => gateway.request(request)));
      return [answers.length, [...new Set(answers.map((answer) => JSON.stringify(answer)))].map((text) => JSON.parse(text))];
    },
    expected: [30, [{ ...whole(bytes(200_000)), probed: 'tick' }]],
  },
  {
    name: 'a slow sender released by the tick loses nothing',
    setup: BASE,
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'watchdog', 'B'));
      await stream.write(bytes(50_000));
      await gateway.pass();
      await stream.write(bytes(1070));
      await stream.end();
      return stream.answer();
    },
    expected: whole(Buffer.concat([bytes(50_000), bytes(1070)]), { probed: 'tick' }),
  },
  {
    name: 'the body is not read from a tick, where it would crash the process',
    setup: BASE,
    run: async (gateway) => [
      await gateway.request(ask(gateway, 'watchdog reread log', 'B', { body: bytes(500) })),
      (await gateway.lines())[2],
    ],
    expected: [whole(bytes(500), { probed: 'tick' }), 'reread 1 0'],
  },
  ...(['headers', 'body', 'trailers'] as const).map((where) => ({
    name: `an HTTP answer resumes a stream that was held in the ${where} callback`,
    setup: UNTICKED,
    run: (gateway: Gateway) => {
      const more: GatewayRequest =
        where === 'headers'
          ? {}
          : where === 'body'
            ? { body: bytes(200_000) }
            : { chunks: [bytes(300)], trailers: { 'x-end': 'yes' }, http2: true };
      return gateway.request(ask(gateway, 'call', 'B', more));
    },
    expected:
      where === 'headers'
        ? empty({ probed: 'answer 200/4' })
        : where === 'body'
          ? whole(bytes(200_000), { probed: 'answer 200/4' })
          : whole(bytes(300), { probed: 'answer 200/4', trailers: { 'x-end': 'yes' } }),
  })),
  {
    name: 'an HTTP call to a missing cluster fails at once with status 2',
    setup: { configuration: 'A', noIndexer: true },
    run: async (gateway) => [await gateway.request(ask(gateway, 'call log', 'B', { body: bytes(9) })), (await gateway.lines())[2]],
    expected: [whole(bytes(9)), 'call 2'],
  },
  {
    name: 'a client that leaves in mid-body: log, done, delete, and nobody else is hurt',
    setup: BASE,
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'hold log', 'B'));
      await stream.write(bytes(1000));
      await gateway.logged('request headers end=false');
      await gateway.pass();
      await stream.reset();
      return [await gateway.lines(), await gateway.request(ask(gateway, 'hold', 'B', { body: bytes(5) }))];
    },
    expected: [['request headers end=false', 'log', 'done', 'delete'], whole(bytes(5))],
  },
  {
    name: 'a header that is changed after the headers went on is refused with status 2',
    setup: BASE,
    run: async (gateway) => {
      const answer = untouched(await gateway.request(ask(gateway, 'pass late', '', { body: bytes(10) })));
      return [answer, (await gateway.lines()).filter((line) => line.startsWith('late'))];
    },
    expected: [{ status: 200, endpoint: 'any', bytes: 10, sum: sum(bytes(10)), config: 'A' }, ['late 2']],
  },
  {
    name: 'a local response stops the request, whatever the callback answers, and goes through the response callbacks',
    setup: BASE,
    run: async (gateway) => [await gateway.request(ask(gateway, 'local log', 'B', { method: 'GET' })), await gateway.lines()],
    expected: [{ status: 418, text: 'from the filter' }, ['request headers end=true', 'local 0', ...RESPONSE_LINES]],
  },
  {
    name: 'stop-all holds everything until the tick, then the body passes through the filter',
    setup: BASE,
    run: async (gateway) => [await gateway.request(ask(gateway, 'all log', 'B', { body: bytes(20_000) })), await gateway.lines()],
    expected: [
      whole(bytes(20_000), { probed: 'tick' }),
      ['request headers end=false', `request body end seen=20000 sum=${sum(bytes(20_000))}`, ...RESPONSE_LINES],
    ],
  },
  {
    name: 'without allow_on_headers_stop_iteration a pause becomes a stop: the body callback never comes',
    setup: { pause: false },
    run: async (gateway) => {
      const stream = await gateway.open(ask(gateway, 'hold log', 'B'));
      await stream.write(bytes(1000));
      await stream.end();
      await gateway.logged('request headers end=false');
      await gateway.pass();
      await stream.reset();
      return gateway.lines();
    },
    expected: ['request headers end=false', 'log', 'done', 'delete'],
  },
  {
    name: 'shared data: absent, first write with any version, stale version refused with status 8',
    setup: { configuration: 'A share' },
    run: async (gateway) => {
      const first = await gateway.request(ask(gateway, 'share', ''));
      const second = await gateway.request(ask(gateway, 'share', ''));
      return [first.probed, second.probed];
    },
    expected: ['1 0 0 0', '0 2 0 8'],
  },
  {
    name: 'properties: known, unknown, not yet known',
    setup: BASE,
    run: async (gateway) => (await gateway.request(ask(gateway, 'props', ''))).probed?.replace(/plugin_\w+=\w+ /g, ''),
    expected: 'xds.cluster_name=pool upstream.address=status 1 cluster_name=status 1 no.such=status 1',
  },
  {
    name: 'of a header that came twice the filter sees the first',
    setup: BASE,
    run: async (gateway) =>
      (await gateway.request(ask(gateway, 'twice', '', { headers: { 'x-twice': ['one', 'two'] }, http2: true }))).probed,
    expected: 'one',
  },
  {
    name: 'an error of the upstream passes through',
    setup: BASE,
    run: async (gateway) => (await gateway.request(ask(gateway, 'hold', 'B', { headers: { 'x-upstream': 'status=500' } }))).status,
    expected: 500,
  },
  {
    name: 'two configurations in one VM: two roots, the same globals, each with its own settings',
    setup: { configuration: 'A tick=50', second: 'B tick=50' },
    run: async (gateway) => {
      const first = await gateway.request(ask(gateway, 'watchdog', 'B', { body: bytes(10) }));
      const second = await gateway.request(ask(gateway, 'watchdog', 'B', { body: bytes(10), second: true }));
      return [first.config, first.probed, second.config, second.probed];
    },
    expected: ['A', 'tick', 'B', 'tick'],
  },
  {
    name: 'configuration update while a stream is open: it ends with the old one, new streams get the new one',
    setup: { updates: true },
    run: async (gateway) => {
      const open = await gateway.open(ask(gateway, 'hold', 'B'));
      await open.write(bytes(1000));
      await gateway.pass();
      const accepted = await gateway.update('N tick=50');
      const roots = (await gateway.lines()).filter((line) => /^configure N/.test(line)).sort();
      const fresh = await gateway.request(ask(gateway, 'watchdog', 'A', { body: bytes(3) }));
      await open.write(bytes(24));
      await open.end();
      const old = await open.answer();
      await gateway.drained('A');
      const after = await gateway.request(ask(gateway, 'hold', 'A', { body: bytes(3) }));
      return { accepted, roots, fresh: [fresh.config, fresh.probed], old, after: after.config };
    },
    expected: {
      accepted: true,
      roots: ['configure N bytes=9 root=1', 'configure N bytes=9 root=2', 'configure N bytes=9 root=2'],
      fresh: ['N', 'tick'],
      old: whole(Buffer.concat([bytes(1000), bytes(24)])),
      after: 'N',
    },
  },
  {
    name: 'a configuration that is refused changes nothing',
    setup: { updates: true },
    run: async (gateway) => {
      const before = (await gateway.request(ask(gateway, 'hold'))).config;
      const accepted = await gateway.update('X refuse');
      return [accepted, (await gateway.request(ask(gateway, 'hold'))).config === before];
    },
    expected: [false, true],
  },
  {
    name: 'a trap: others of its VM get 503 with their next bytes, a complete one hangs; after the back-off a new VM serves',
    setup: { configuration: 'A trapped' },
    run: async (gateway) => {
      const slow = await gateway.open(ask(gateway, 'hold', 'B'));
      await slow.write(bytes(1000));
      const complete = await gateway.open(ask(gateway, 'watchdog', 'B'));
      await complete.write(bytes(1000));
      await complete.end();
      await gateway.pass();
      const { status: trapped } = await gateway.request(ask(gateway, 'trap', ''));
      await gateway.pass();
      const answered = [await slow.answered(), await complete.answered()];
      await slow.write(bytes(1000));
      const { status: slowStatus } = await slow.answer();
      await gateway.backOff();
      answered.push(await complete.answered());
      await complete.reset();
      // The first request after the back-off makes the new VM.
      await gateway.request(ask(gateway, 'hold', 'B', { body: bytes(10) }));
      return { trapped, answered, slowStatus, later: await gateway.request(ask(gateway, 'hold', 'B', { body: bytes(10) })) };
    },
    expected: { trapped: 503, answered: [false, false, false], slowStatus: 503, later: whole(bytes(10)) },
  },
];
