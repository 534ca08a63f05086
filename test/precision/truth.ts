// What the engine really did with a request, from the recording's answers. Scores only; no prediction reads this.
import { bytesOfIds } from '../../indexer/tokens/load.js';
import type { TokenTable } from '../../indexer/tokens/table.js';
import type { Recording, ReqLine, ResLine } from '../fixtures/recording.js';

export interface Truth {
  readonly cachedTokens: number;
  readonly cachedBytes: number;
  /** Undefined when the recording does not tell. */
  readonly promptIds: readonly number[] | undefined;
  readonly promptBytes: number;
  readonly promptTokens: number;
}

export class Truths {
  private readonly responses: ReadonlyMap<number, ResLine>;

  constructor(
    private readonly recording: Recording,
    private readonly table: TokenTable,
    private readonly blockTokens: number,
  ) {
    this.responses = new Map(recording.run.flatMap((line) => (line.k === 'res' ? [[line.id, line] as const] : [])));
  }

  /** From the truth file, else from the answer's usage and prompt ids; undefined when neither tells. */
  of({ id }: ReqLine): Truth | undefined {
    const response = this.responses.get(id);
    const promptIds = this.idsOf(response);
    const told = this.recording.truth.get(id);
    if (told) {
      const { cached_tokens, cached_bytes, prompt_bytes, prompt_tokens } = told;
      return { cachedTokens: cached_tokens, cachedBytes: cached_bytes, promptIds, promptBytes: prompt_bytes, promptTokens: prompt_tokens };
    }
    const usage = response?.status === 200 ? response.usage : undefined;
    if (!usage || !promptIds || typeof usage.prompt_tokens !== 'number') return undefined;
    // Details that are null or absent mean that nothing was cached (facts on vLLM, section 12).
    const cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
    return {
      cachedTokens,
      cachedBytes: this.bytes(promptIds.slice(0, cachedTokens)),
      promptIds,
      promptBytes: this.bytes(promptIds),
      promptTokens: promptIds.length,
    };
  }

  /** Bytes of the first `tokens` of the prompt. */
  bytesOfTokens(promptIds: readonly number[], tokens: number): number {
    return this.bytes(promptIds.slice(0, tokens));
  }

  /**
   * Bytes of the block at the boundary `tokens`: the first one that is not cached when a prediction is over, the last cached one when
   * it is under. Without the prompt's ids: the prompt's mean.
   */
  blockBytes(truth: Truth, tokens: number, over: boolean): number {
    const { promptIds, promptBytes, promptTokens } = truth;
    const { blockTokens } = this;
    if (!promptIds) return Math.ceil((promptBytes / Math.max(1, promptTokens)) * blockTokens);
    const from = over ? tokens : Math.max(0, tokens - blockTokens);
    return this.bytes(promptIds.slice(from, from + blockTokens));
  }

  private idsOf(response: ResLine | undefined): readonly number[] | undefined {
    const ids = response?.prompt_token_ids;
    const known = (id: unknown): boolean => typeof id === 'number' && id >= 0 && id < this.table.size && !this.table.unknown.has(id);
    return ids && ids.length > 0 && ids.every(known) ? ids : undefined;
  }

  private bytes(ids: readonly number[]): number {
    return bytesOfIds(this.table, ids).length;
  }
}
