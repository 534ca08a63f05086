// What else we ask an engine: models, renderings. Source: facts on vLLM, sections 8 and 9.2.
import { KvaneError } from '../errors.js';
import type { Renderer, RenderRequest } from '../templates/renderer.js';
import { bytesOfIds } from '../tokens/load.js';
import type { TokenTable } from '../tokens/table.js';
import { fetchEngine, type HttpAnswer } from './http.js';

export interface EngineModels {
  /** Names of the base model. */
  readonly bases: readonly string[];
  /** LoRA adapters. */
  readonly adapters: readonly string[];
}

interface ModelCard {
  readonly id?: unknown;
  readonly parent?: unknown;
}

export async function fetchModels(url: string, timeoutMs: number): Promise<EngineModels> {
  const answer = (await jsonOf(`${url}/v1/models`, await fetchEngine(`${url}/v1/models`, { timeoutMs }))) as { data?: unknown };
  const cards = Array.isArray(answer?.data) ? (answer.data as ModelCard[]) : [];
  const names = (adapter: boolean): string[] =>
    cards.filter(({ parent }) => (typeof parent === 'string') === adapter).flatMap(({ id }) => (typeof id === 'string' ? [id] : []));
  return { bases: names(false), adapters: names(true) };
}

async function jsonOf(url: string, answer: HttpAnswer): Promise<unknown> {
  if (answer.status !== 200)
    throw new KvaneError('engine.status', `${url} answered ${answer.status}`, { fields: { url, status: answer.status } });
  try {
    return JSON.parse(answer.body.toString('utf8'));
  } catch (cause) {
    throw new KvaneError('engine.answer', `${url} did not answer JSON`, { cause, fields: { url } });
  }
}

/** The engine's own renderer: `/render` answers token ids, the table turns them into bytes. */
export class EngineRenderer implements Renderer {
  constructor(
    readonly url: string,
    private readonly model: string,
    private readonly table: TokenTable,
    private readonly timeoutMs = 10_000,
    private readonly signal?: AbortSignal,
  ) {}

  render(request: RenderRequest): Promise<Uint8Array> {
    const { messages, arguments: variables } = request;
    const body = { model: this.model, messages, ...(variables && { chat_template_kwargs: variables }) };
    return this.ask('/v1/chat/completions/render', body);
  }

  renderCompletion(prompt: string): Promise<Uint8Array> {
    return this.ask('/v1/completions/render', { model: this.model, prompt });
  }

  private async ask(path: string, body: unknown): Promise<Uint8Array> {
    const url = this.url + path;
    const answer = await fetchEngine(url, { timeoutMs: this.timeoutMs, body, ...(this.signal && { signal: this.signal }) });
    const fields = { url, status: answer.status };
    if (answer.status === 403 || answer.status === 404 || answer.status === 405) {
      throw new KvaneError('render.disabled', `${url} answered ${answer.status}: start the engine with --enable-scale-out`, { fields });
    }
    if (answer.status === 400 || answer.status === 422) throw new KvaneError('render.refused', `${url} refuses this request`, { fields });
    const value = await jsonOf(url, answer);
    // Completions answer a list: one element per prompt.
    const ids = ((Array.isArray(value) ? value[0] : value) as { token_ids?: unknown } | null)?.token_ids;
    if (!Array.isArray(ids)) throw new KvaneError('engine.answer', `${url} answered without token_ids`, { fields });
    try {
      return bytesOfIds(this.table, ids as number[]);
    } catch (cause) {
      throw new KvaneError('engine.answer', `${url}: the tokenizer file does not fit this engine`, { cause, fields });
    }
  }
}
