// What the engine answers on each path.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type AnswerContext, answerOf, StreamWriter } from './answers.js';
import { ApiError } from './errors.js';
import { Generation, type GenerationContext } from './generation.js';
import { type Handler, type Request, type Routes, sendJson } from './http.js';
import type { EngineVersion } from './options.js';
import { API_OF_PATH, type Api, type Json, type PrepareContext, type Prepared, prepare, promptsOf } from './prepare.js';

export interface RouteContext {
  readonly version: EngineVersion;
  readonly render: boolean;
  readonly prepare: PrepareContext;
  readonly generation: GenerationContext;
  readonly answer: AnswerContext;
  readonly decode: (ids: readonly number[]) => Uint8Array;
  readonly models: () => Json;
  readonly metrics: () => string;
  readonly eventSources: () => Json;
  readonly reset: () => boolean;
}

const FULL_VERSION = { '0.23': '0.23.0', '0.32': '0.32.0' };
const ID_PREFIX: Readonly<Record<Api, string>> = { chat: 'chatcmpl-', completions: 'cmpl-', messages: 'chatcmpl-', responses: 'resp_' };

export function routesOf(context: RouteContext): Routes {
  const routes = new Map<string, Handler>([
    ['GET /health', (_, response) => void response.writeHead(200).end()],
    ['GET /version', (_, response) => sendJson(response, 200, { version: FULL_VERSION[context.version] })],
    ['GET /v1/models', (_, response) => sendJson(response, 200, context.models())],
    ['GET /load', (_, response) => sendJson(response, 200, { server_load: 0 })],
    [
      'GET /metrics',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(context.metrics()),
    ],
    ['POST /reset_prefix_cache', (_, response) => reset(context, response)],
    ['POST /tokenize', (request, response) => tokenize(context, request, response)],
  ]);
  if (context.version === '0.32') routes.set('GET /kv_event_sources', (_, response) => sendJson(response, 200, context.eventSources()));
  for (const [path, api] of API_OF_PATH) {
    routes.set(`POST ${path}`, (request, response) => generate(context, api, request, response));
    if (context.version === '0.32' || api === 'chat' || api === 'completions') {
      routes.set(`POST ${path}/render`, (request, response) => render(context, api, request, response));
    }
  }
  return routes;
}

function reset(context: RouteContext, response: ServerResponse): void {
  const success = context.reset();
  if (context.version === '0.32') sendJson(response, 200, { success });
  else response.writeHead(200).end();
}

async function tokenize(context: RouteContext, { body, raw }: Request, response: ServerResponse): Promise<void> {
  const [tokens] = await promptsOf(context.prepare, body?.messages === undefined ? 'completions' : 'chat', body ?? {}, raw);
  sendJson(response, 200, { count: tokens!.length, max_model_len: context.prepare.maxModelLength, tokens, token_strs: null });
}

async function render(context: RouteContext, api: Api, { body, raw }: Request, response: ServerResponse): Promise<void> {
  if (!context.render)
    throw new ApiError(403, 'The render endpoints are disabled. Start the server with --enable-scale-out to enable them.');
  const prepared = await prepare(context.prepare, api, body, raw);
  const answers = prepared.prompts.map((token_ids) => ({
    request_id: ID_PREFIX[api] + randomUUID(),
    token_ids,
    ...(context.version === '0.32' && { token_offsets: null }),
    features: null,
    sampling_params: { max_tokens: prepared.maxTokens, skip_reading_prefix_cache: prepared.skipsCache },
    model: prepared.model,
    stream: prepared.stream,
    cache_salt: prepared.cacheSalt ?? null,
  }));
  sendJson(response, 200, api === 'completions' ? answers : answers[0]);
}

async function generate(context: RouteContext, api: Api, { body, raw }: Request, response: ServerResponse): Promise<void> {
  const prepared = await prepare(context.prepare, api, body, raw);
  const foreign = api === 'messages' || api === 'responses';
  if (foreign && prepared.stream) throw new ApiError(400, `this simulated engine does not stream ${api}`);
  const generation = new Generation(context.generation, prepared);
  const id = ID_PREFIX[api] + randomUUID();
  let answered = false;
  response.once('close', () => {
    if (!answered) generation.abort();
  });
  if (prepared.stream) streamInto(context, prepared, generation, id, response);
  await generation.start();
  await generation.done;
  answered = true;
  if (response.destroyed) return;
  if (!prepared.stream) sendJson(response, 200, answerOf(context.answer, prepared, generation, id));
}

/** As vLLM does, headers leave at once; the first chunk waits for the first token. */
function streamInto(context: RouteContext, prepared: Prepared, generation: Generation, id: string, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.flushHeaders();
  const writer = new StreamWriter(context.answer, prepared, generation, id);
  let open = generation.choices.length;
  generation.onToken = (choice, token) => {
    if (token < 0 || response.destroyed) return;
    let text = choice.ids.length === 1 ? (writer.first(choice) ?? '') : '';
    text += writer.token(choice, token, context.decode([token]));
    if (choice.finish !== null && --open === 0) response.end(`${text}${writer.last() ?? ''}data: [DONE]\n\n`);
    else response.write(text);
  };
}
