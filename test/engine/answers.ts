// Bodies of answers, in the shapes of the two versions that the recordings show.
import type { Choice, Generation } from './generation.js';
import type { EngineVersion } from './options.js';
import type { Json, Prepared } from './prepare.js';

export interface AnswerContext {
  readonly version: EngineVersion;
  readonly blockSize: number;
  readonly usageDetails: boolean;
  readonly endOfTurnId: number;
  readonly textOf: (ids: readonly number[]) => string;
}

const FINGERPRINT = { '0.23': 'vllm-0.23.0-simulated', '0.32': 'vllm-0.32.0-simulated' };

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** With several prompts or choices the reused tokens are those of the last one, as the engines report them. */
export function usageOf(context: AnswerContext, prepared: Prepared, generation: Generation, streamed: boolean): Json {
  const prompt_tokens = sum(prepared.prompts.map((prompt) => prompt.length));
  const completion_tokens = sum(generation.choices.map((choice) => choice.ids.length));
  const usage: Json = { prompt_tokens, total_tokens: prompt_tokens + completion_tokens, completion_tokens };
  const last = generation.choices.at(-1)!.sequence;
  const cached_tokens = Math.max(0, last.cachedTokens);
  if (context.version === '0.23') {
    if (context.usageDetails && cached_tokens > 0) usage.prompt_tokens_details = { cached_tokens };
    else if (!streamed) usage.prompt_tokens_details = null;
    return usage;
  }
  const stored = Math.floor(last.promptLength / context.blockSize) * context.blockSize;
  const created_cache_tokens = prepared.api === 'chat' ? Math.max(0, stored - cached_tokens) : null;
  const details = { cached_tokens, created_cache_tokens };
  usage.prompt_tokens_details = !context.usageDetails ? null : streamed ? details : { ...details, multimodal_tokens: null };
  if (!streamed) usage.completion_tokens_details = null;
  return usage;
}

/** The text a client sees: without the token that ended the turn. */
export const visible = (context: AnswerContext, ids: readonly number[]): readonly number[] =>
  ids.at(-1) === context.endOfTurnId ? ids.slice(0, -1) : ids;

const finishOf = (choice: Choice): string | null => choice.finish;

export function answerOf(context: AnswerContext, prepared: Prepared, generation: Generation, id: string): Json {
  const created = Math.floor(Date.now() / 1000);
  const text = (choice: Choice): string => context.textOf(visible(context, choice.ids));
  if (prepared.api === 'messages') return messagesAnswer(context, prepared, generation, id, text(generation.choices[0]!));
  if (prepared.api === 'responses') return responsesAnswer(context, prepared, generation, id, text(generation.choices[0]!), created);
  const chat = prepared.api === 'chat';
  const choices = generation.choices.map((choice) => {
    const prompt = Math.floor(choice.index / prepared.choices);
    const head = { index: choice.index, logprobs: null, finish_reason: finishOf(choice), stop_reason: null };
    const ids = prepared.returnTokenIds ? choice.ids : null;
    if (chat) return { ...head, message: { role: 'assistant', content: text(choice), refusal: null, tool_calls: [] }, token_ids: ids };
    const echoed = prepared.echo ? context.textOf(prepared.prompts[prompt]!) : '';
    return {
      ...head,
      text: echoed + text(choice),
      token_ids: ids,
      prompt_token_ids: prepared.returnTokenIds ? prepared.prompts[prompt] : null,
    };
  });
  return {
    id,
    object: chat ? 'chat.completion' : 'text_completion',
    created,
    model: prepared.model,
    choices,
    service_tier: null,
    system_fingerprint: FINGERPRINT[context.version],
    usage: usageOf(context, prepared, generation, false),
    ...(chat && { prompt_logprobs: null, prompt_token_ids: prepared.returnTokenIds ? prepared.prompts[0] : null }),
    kv_transfer_params: null,
  };
}

function messagesAnswer(context: AnswerContext, prepared: Prepared, generation: Generation, id: string, text: string): Json {
  const { promptLength, cachedTokens } = generation.choices[0]!.sequence;
  const output_tokens = generation.choices[0]!.ids.length;
  const usage =
    context.version === '0.23'
      ? { input_tokens: promptLength, output_tokens }
      : { input_tokens: promptLength - cachedTokens, output_tokens, cache_creation_input_tokens: 0, cache_read_input_tokens: cachedTokens };
  const stop_reason = generation.choices[0]!.finish === 'length' ? 'max_tokens' : 'end_turn';
  return { id, type: 'message', role: 'assistant', content: [{ type: 'text', text }], model: prepared.model, stop_reason, usage };
}

function responsesAnswer(_: AnswerContext, prepared: Prepared, generation: Generation, id: string, text: string, created_at: number): Json {
  const { promptLength, cachedTokens } = generation.choices[0]!.sequence;
  const output_tokens = generation.choices[0]!.ids.length;
  const cut = generation.choices[0]!.finish === 'length';
  return {
    id,
    created_at,
    object: 'response',
    model: prepared.model,
    status: cut ? 'incomplete' : 'completed',
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    output: [
      {
        id: `msg_${id}`,
        type: 'message',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text, annotations: [] }],
      },
    ],
    usage: {
      input_tokens: promptLength,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens,
      total_tokens: promptLength + output_tokens,
    },
  };
}

/** Chunks of a stream, in order: a role (chat), one per token, and the usage when it was asked for. */
export class StreamWriter {
  private readonly context: AnswerContext;
  private readonly prepared: Prepared;
  private readonly generation: Generation;
  private readonly head: Json;
  private readonly decoders: readonly TextDecoder[];

  constructor(context: AnswerContext, prepared: Prepared, generation: Generation, id: string) {
    this.context = context;
    this.prepared = prepared;
    this.generation = generation;
    const object = prepared.api === 'chat' ? 'chat.completion.chunk' : 'text_completion';
    this.head = { id, object, created: Math.floor(Date.now() / 1000), model: prepared.model };
    this.decoders = generation.choices.map(() => new TextDecoder());
  }

  first(choice: Choice): string | undefined {
    if (this.prepared.api !== 'chat') return undefined;
    const delta = { role: 'assistant', content: '' };
    const prompt_token_ids = this.prepared.returnTokenIds ? this.prepared.prompts[0] : undefined;
    return this.chunk([{ index: choice.index, delta, logprobs: null, finish_reason: null }], { prompt_token_ids });
  }

  token(choice: Choice, id: number, bytes: Uint8Array): string {
    const shown = id === this.context.endOfTurnId ? new Uint8Array() : bytes;
    const text = this.decoders[choice.index]!.decode(shown, { stream: choice.finish === null });
    const ends = { logprobs: null, finish_reason: finishOf(choice), ...(choice.finish !== null && { stop_reason: null }) };
    const ids = this.prepared.returnTokenIds ? { token_ids: [id] } : {};
    const body = this.prepared.api === 'chat' ? { delta: { content: text } } : { text };
    return this.chunk([{ index: choice.index, ...body, ...ends, ...ids }], {});
  }

  last(): string | undefined {
    if (!this.prepared.streamUsage) return undefined;
    const usage = usageOf(this.context, this.prepared, this.generation, true);
    return `data: ${JSON.stringify({ ...this.head, choices: [], usage, system_fingerprint: FINGERPRINT[this.context.version] })}\n\n`;
  }

  private chunk(choices: Json, more: Json): string {
    const usage = this.prepared.everyChunkUsage ? { usage: this.runningUsage() } : {};
    return `data: ${JSON.stringify({ ...this.head, choices, ...usage, ...more })}\n\n`;
  }

  private runningUsage(): Json {
    const prompt_tokens = sum(this.prepared.prompts.map((prompt) => prompt.length));
    const completion_tokens = sum(this.generation.choices.map((choice) => choice.ids.length));
    const details = this.context.version === '0.32' ? { completion_tokens_details: null } : {};
    return { prompt_tokens, total_tokens: prompt_tokens + completion_tokens, completion_tokens, ...details };
  }
}
