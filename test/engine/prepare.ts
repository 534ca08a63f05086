// From an HTTP request's body to what the engine core runs: prompt ids, limits, namespace.

import { parseChat, wellFormed } from './chat.js';
import { ApiError } from './errors.js';
import { chatOfMessages, chatOfResponses } from './foreign-apis.js';
import type { Lora } from './sequence.js';
import type { ChatTemplate } from './template.js';
import type { Tokenizer } from './tokenizer.js';

// biome-ignore lint/suspicious/noExplicitAny: a client's JSON, checked member by member
export type Json = any;

export type Api = 'chat' | 'completions' | 'messages' | 'responses';

export interface PrepareContext {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate;
  /** names by which the base model may be asked for; the first is the usual one */
  readonly modelNames: readonly string[];
  readonly loras: ReadonlyMap<string, Lora>;
  readonly maxModelLength: number;
}

export interface Prepared {
  readonly api: Api;
  readonly model: string;
  readonly lora: Lora | undefined;
  /** one engine request per prompt and choice */
  readonly prompts: readonly (readonly number[])[];
  readonly choices: number;
  readonly maxTokens: number;
  readonly ignoreEos: boolean;
  readonly cacheSalt: string | undefined;
  readonly sessionId: string | undefined;
  readonly skipsCache: boolean;
  readonly reportsFull: boolean;
  readonly stream: boolean;
  readonly streamUsage: boolean;
  readonly everyChunkUsage: boolean;
  readonly returnTokenIds: boolean;
  readonly echo: boolean;
  /** ids that tests force the engine to sample: one list per prompt and choice */
  readonly forcedIds: readonly (readonly number[])[] | undefined;
}

export const API_OF_PATH: ReadonlyMap<string, Api> = new Map([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/messages', 'messages'],
  ['/v1/responses', 'responses'],
]);

/** `raw` is the body's text, needed where numbers must survive as they were written. */
export async function prepare(context: PrepareContext, api: Api, body: Json, raw?: string): Promise<Prepared> {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) throw new ApiError(400, 'the body must be a JSON object');
  const model = body.model ?? context.modelNames[0];
  const lora = context.loras.get(model);
  if (lora === undefined && !context.modelNames.includes(model)) throw new ApiError(404, `The model \`${model}\` does not exist.`);

  const prompts = truncated(await promptsOf(context, api, body, raw), body.truncate_prompt_tokens);
  const longest = Math.max(...prompts.map((prompt) => prompt.length));
  const room = context.maxModelLength - longest;
  const asked = body.max_completion_tokens ?? body.max_tokens ?? body.max_output_tokens ?? (api === 'completions' ? 16 : room);
  if (longest === 0) throw new ApiError(400, 'the prompt is empty');
  if (!Number.isInteger(asked) || asked < 1) throw new ApiError(400, 'max_tokens must be at least 1');
  if (room < 1 || asked > room) {
    throw new ApiError(
      400,
      `This model's maximum context length is ${context.maxModelLength} tokens; the request asks for ${longest} + ${asked}.`,
    );
  }
  const salt = body.cache_salt;
  if (salt != null && (typeof salt !== 'string' || salt === '')) throw new ApiError(400, 'cache_salt must be a non-empty string');
  const forced = body.vllm_xargs?.forced_ids as readonly (number | readonly number[])[] | undefined;

  return {
    api,
    model,
    lora,
    prompts,
    choices: api === 'chat' || api === 'completions' ? (body.n ?? 1) : 1,
    maxTokens: asked,
    ignoreEos: body.ignore_eos ?? false,
    cacheSalt: salt ?? undefined,
    sessionId: body.session_id ?? undefined,
    skipsCache: body.prompt_logprobs != null,
    reportsFull: body.vllm_xargs?.kv_cache_report_mode === 'full',
    stream: body.stream ?? false,
    streamUsage: body.stream_options?.include_usage ?? false,
    everyChunkUsage: body.stream_options?.continuous_usage_stats ?? false,
    returnTokenIds: body.return_token_ids ?? false,
    echo: body.echo ?? false,
    forcedIds:
      forced === undefined || forced.length === 0
        ? undefined
        : typeof forced[0] === 'number'
          ? [forced as number[]]
          : (forced as number[][]),
  };
}

/** Prompt ids of the request: several for a list of prompts, else one. */
export async function promptsOf(context: PrepareContext, api: Api, body: Json, raw?: string): Promise<number[][]> {
  if (api === 'completions') return completionPrompts(context.tokenizer, body.prompt);
  const chat = api === 'messages' ? chatOfMessages(body) : api === 'responses' ? chatOfResponses(body) : body;
  return [await context.tokenizer.encode(context.template.render(parseChat(chat, raw)))];
}

async function completionPrompts(tokenizer: Tokenizer, prompt: Json): Promise<number[][]> {
  if (typeof prompt === 'string') return [await tokenizer.encode(wellFormed(prompt))];
  if (!Array.isArray(prompt) || prompt.length === 0) throw new ApiError(400, 'prompt: a string, a list of strings, ids or a list of ids');
  const list: Json[] = typeof prompt[0] === 'number' ? [prompt] : prompt;
  return Promise.all(
    list.map(async (element) => {
      if (typeof element === 'string') return tokenizer.encode(wellFormed(element));
      const valid = Array.isArray(element) && element.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize);
      if (!valid) throw new ApiError(400, 'prompt: token ids are out of the vocabulary');
      return element as number[];
    }),
  );
}

function truncated(prompts: number[][], limit: Json): number[][] {
  return Number.isInteger(limit) && limit > 0 ? prompts.map((prompt) => prompt.slice(-limit)) : prompts;
}
