// What a client of kvane does, and what must come of it on every gateway. What is expected stands here once: equal to it means
// equal to each other. Named after the hazard.
import type { Answer, Gateway, GatewayRequest, Label, Setup } from './gateway';
import { sumOf } from './gateway';
import { chatText } from './scripted-pool';

export interface Scenario {
  readonly name: string;
  readonly setup: Setup;
  readonly run: (gateway: Gateway) => Promise<unknown>;
  readonly expected: unknown;
}

const BASE: Setup = { filter: { watchdogMs: 2000 } };
const MIB = 1 << 20;
const SMALL_LIMIT = 32_768;
const BROKEN: Setup = { broken: true };

/** A prompt like no other. */
const promptOf = (name: string, bytes = 640): string =>
  `${name}: ${'all work and no play makes jack a dull boy. '.repeat(bytes)}`.slice(0, bytes);
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const completion = (prompt: unknown, more: object = {}): Uint8Array => json({ model: 'm', prompt, max_tokens: 1, ...more });

/** The part of an answer that does not depend on load or chance. */
const seen = ({ destinations, ...answer }: Answer) => ({ ...answer, ...(destinations && { first: destinations[0] }) });
const whole = (body: Uint8Array, more: object = {}) => ({ status: 200, bytes: body.length, sum: sumOf(body), ...more });
const anywhere = ({ endpoint, destinations, ...answer }: Answer) => ({
  ...answer,
  served: endpoint !== undefined,
  routed: destinations !== undefined,
});

/** The prompt is held by `label`; the request is made, answered by `endpoint` and counted so. */
function held(
  name: string,
  label: Label,
  endpoint: string,
  request: (prompt: string) => GatewayRequest,
  counters: object,
  setup = BASE,
): Scenario {
  const prompt = promptOf(name);
  const { body, chunks, trailers } = request(prompt);
  const bytes = body ?? Buffer.concat(chunks ?? []);
  return {
    name,
    setup,
    run: async (gateway) => {
      await gateway.hold(label, prompt);
      await gateway.mark();
      return [seen(await gateway.request(request(prompt))), await gateway.counters()];
    },
    expected: [whole(bytes, { endpoint, first: label, ...(trailers && { trailers }) }), counters],
  };
}

const COVERED = { covered: 1, credited: 1, routed: 1 };

/** The request passes untouched; the counters say why. */
function passes(name: string, request: GatewayRequest, counters: object, routed = false, setup = BASE): Scenario {
  const bytes = request.body ?? Buffer.concat(request.chunks ?? []);
  return {
    name,
    setup,
    run: async (gateway) => {
      await gateway.mark();
      return [anywhere(await gateway.request(request)), await gateway.counters()];
    },
    expected: [whole(bytes, { served: true, routed, ...(request.trailers && { trailers: request.trailers }) }), counters],
  };
}

const bothProtocols = [false, true].map((http2) => ({ http2, of: `HTTP/${http2 ? 2 : 1.1}` }));

const ROUTING: Scenario[] = [
  ...(['A', 'B'] as const).map((label) =>
    held(`a prompt that ${label} holds goes to ${label}`, label, label, (prompt) => ({ body: completion(prompt) }), COVERED),
  ),
  held('of a list of prompts the first one counts', 'B', 'B', (prompt) => ({ body: completion([prompt, 'x']) }), COVERED),
  held(
    'members in the order of real clients, the prompt first',
    'A',
    'A',
    (prompt) => ({ body: json({ prompt, max_tokens: 1, model: 'm' }) }),
    COVERED,
  ),
  held('escapes in the prompt', 'B', 'B', (prompt) => ({ body: Buffer.from(`{"prompt":"\\u0065${prompt.slice(1)}"}`) }), COVERED),
  held('a query behind the path', 'A', 'A', (prompt) => ({ path: '/v1/completions?trace=1', body: completion(prompt) }), COVERED),
  {
    name: 'a chat is rendered to what the engine saw',
    setup: BASE,
    run: async (gateway) => {
      const messages = [
        { role: 'system', content: promptOf('system', 300) },
        { role: 'user', content: promptOf('user', 300) },
      ];
      await gateway.hold('B', chatText(messages));
      await gateway.mark();
      const answer = await gateway.request({ path: '/v1/chat/completions', body: json({ model: 'm', messages }) });
      return [answer.endpoint, answer.destinations?.[0], await gateway.counters()];
    },
    expected: ['B', 'B', COVERED],
  },
  {
    name: 'another cache salt is another prompt',
    setup: BASE,
    run: async (gateway) => {
      const prompt = promptOf('salted');
      await gateway.hold('A', prompt);
      await gateway.mark();
      await gateway.request({ body: completion(prompt, { cache_salt: 's' }) });
      return gateway.counters();
    },
    expected: { covered: 1, routed: 1 },
  },
  ...bothProtocols.flatMap(({ http2, of }) => [
    held(`a body of unknown length in pieces, ${of}`, 'B', 'B', (prompt) => ({ http2, chunks: pieces(completion(prompt), 7) }), COVERED),
    held(
      `trailers end the body, ${of}`,
      'A',
      'A',
      (prompt) => ({ http2, chunks: pieces(completion(prompt), 2), trailers: { 'x-end': 'yes' } }),
      COVERED,
    ),
  ]),
];

function pieces(body: Uint8Array, count: number): Uint8Array[] {
  const size = Math.ceil(body.length / count);
  return Array.from({ length: count }, (_, i) => body.subarray(i * size, (i + 1) * size));
}

const FALLBACK: Scenario[] = [
  held('the holder refuses connections: the second entry serves', 'D', 'any', (prompt) => ({ body: completion(prompt) }), COVERED, BROKEN),
  held('the holder is unknown to Envoy: another entry serves', 'U', 'any', (prompt) => ({ body: completion(prompt) }), COVERED, BROKEN),
].map((scenario) => ({
  ...scenario,
  run: async (gateway: Gateway) => {
    const [answer, counters] = (await scenario.run(gateway)) as [{ endpoint: string }, object];
    return [{ ...answer, endpoint: 'AB'.includes(answer.endpoint) ? 'any' : answer.endpoint }, counters];
  },
}));

const FORGED = { 'x-gateway-destination-endpoint': '10.9.9.9:1' };
const UNROUTED: Scenario[] = [
  passes('a GET is left alone', { method: 'GET', path: '/v1/models' }, {}),
  passes('a POST to another path is left alone', { path: '/v1/embeddings', body: completion('x') }, {}),
  passes('a POST without a body is left alone', { method: 'POST', body: new Uint8Array() }, {}),
  passes('an encoded body is left alone', { body: completion('x'), headers: { 'content-encoding': 'gzip' } }, { encoding: 1 }),
  ...[BASE, { strip: false }].flatMap((setup) => [
    passes(
      `a forged destination on a GET, stripped ${setup.strip === false ? 'by the filter' : 'natively'}`,
      { method: 'GET', path: '/', headers: FORGED },
      {},
      false,
      setup,
    ),
    passes(
      `a forged destination on an encoded body, stripped ${setup.strip === false ? 'by the filter' : 'natively'}`,
      { body: Buffer.from('x'), headers: { ...FORGED, 'content-encoding': 'br' } },
      { encoding: 1 },
      false,
      setup,
    ),
  ]),
  passes('without a summary nothing is held up', { body: completion('x') }, { no_summary: 1 }, false, { silent: true }),
  passes('without a summary a forged destination still goes', { body: completion('x'), headers: FORGED }, { no_summary: 1 }, false, {
    silent: true,
    strip: false,
  }),
];

const HOSTILE: readonly (readonly [string, string, string])[] = [
  ['no JSON at all', 'hello', 'json'],
  ['a list', '[1,2]', 'json'],
  ['an object that never ends', '{"model":"m","prompt":"abc', 'json'],
  ['a broken escape in the prompt', '{"prompt":"\\x41"}', 'json'],
  ['half a surrogate pair', '{"prompt":"\\ud800"}', 'surrogate'],
  ['nesting', `{"a":${'['.repeat(30)}${']'.repeat(30)},"prompt":"x"}`, 'covered'],
  ['deeper nesting than anybody follows', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"prompt":"x"}`, 'json'],
  ['brackets that never close', `{"a":${'[{"b":'.repeat(20_000)}`, 'json'],
  ['a huge key', `{"${'k'.repeat(200_000)}":1,"prompt":"x"}`, 'covered'],
  ['a prompt of numbers', '{"prompt":[1,2,3]}', 'prompt_type'],
  ['an empty list of prompts', '{"prompt":[]}', 'prompt_type'],
  ['no prompt', '{"model":"m"}', 'prompt_type'],
  ['a prompt twice, the last one counts', '{"prompt":{},"prompt":"x"}', 'covered'],
  ['bytes that are no UTF-8', '{"prompt":"\xff\xfe"}', 'covered'],
];

const BODIES: Scenario[] = [
  ...bothProtocols.map(({ http2, of }) =>
    passes(
      `an object that never closes, ended by trailers, ${of}`,
      { http2, chunks: [Buffer.from('{"prompt":'), Buffer.from('"ab')], trailers: { 'x-end': 'yes' } },
      { json: 1, routed: 1 },
      true,
    ),
  ),
  ...HOSTILE.map(([name, text, reason]) =>
    passes(`hostile: ${name}`, { body: Buffer.from(text, 'latin1') }, { [reason]: 1, routed: 1 }, true),
  ),
  ...[100, 16_384, 100_000, 800_000].flatMap((size) =>
    bothProtocols.map(({ http2, of }) =>
      passes(
        `a prompt of ${size} bytes, ${of}`,
        { http2, body: completion(promptOf(`size ${size}`, size)) },
        { covered: 1, routed: 1 },
        true,
      ),
    ),
  ),
  ...bothProtocols.map(({ http2, of }) =>
    passes(
      `8 MiB are decided about early and arrive whole, ${of}`,
      { http2, body: completion(promptOf('big', 8 * MIB)) },
      { early: 1, routed: 1 },
      true,
    ),
  ),
  {
    name: 'above Envoy’s limit a body stalls; the watchdog lets it go, and the next one is decided about below that',
    setup: { bufferLimitBytes: SMALL_LIMIT, filter: { watchdogMs: 150 } },
    run: async (gateway) => {
      const body = completion(promptOf('stall', 400_000));
      const answers: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        await gateway.mark();
        answers.push(anywhere(await gateway.request({ body })), await gateway.counters());
      }
      return answers;
    },
    expected: [
      whole(completion(promptOf('stall', 400_000)), { served: true, routed: true }),
      { early: 1, routed: 1, watchdog_releases: 1 },
      whole(completion(promptOf('stall', 400_000)), { served: true, routed: true }),
      { early: 1, routed: 1 },
    ],
  },
];

const CLIENTS: Scenario[] = [
  {
    name: 'the news comes while the body is on its way: the decision is made with it',
    setup: BASE,
    run: async (gateway) => {
      const prompt = promptOf('news in mid-body');
      const body = completion(prompt);
      const stream = await gateway.open({});
      await stream.write(body.subarray(0, 100));
      await gateway.hold('B', prompt);
      await stream.write(body.subarray(100));
      await stream.end();
      return seen(await stream.answer());
    },
    expected: whole(completion(promptOf('news in mid-body')), { endpoint: 'B', first: 'B' }),
  },
  {
    name: 'a client that leaves in mid-body hurts nobody',
    setup: BASE,
    run: async (gateway) => {
      const stream = await gateway.open({});
      await stream.write(Buffer.from('{"prompt":"abc'));
      await gateway.pass();
      await stream.reset();
      await gateway.pass();
      return anywhere(await gateway.request({ body: completion('x') }));
    },
    expected: whole(completion('x'), { served: true, routed: true }),
  },
  {
    name: 'a slow sender is let go by the watchdog and loses nothing',
    setup: { filter: { watchdogMs: 60 } },
    run: async (gateway) => {
      await gateway.mark();
      const stream = await gateway.open({});
      await stream.write(Buffer.from('{"prompt":"abc'));
      for (let i = 0; i < 4; i++) await gateway.pass();
      await stream.write(Buffer.from('def"}'));
      await stream.end();
      return [anywhere(await stream.answer()), await gateway.counters()];
    },
    expected: [whole(Buffer.from('{"prompt":"abcdef"}'), { served: true, routed: true }), { early: 1, routed: 1, watchdog_releases: 1 }],
  },
];

export const SCENARIOS: readonly Scenario[] = [...ROUTING, ...FALLBACK, ...UNROUTED, ...BODIES, ...CLIENTS];
