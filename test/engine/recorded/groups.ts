// The requests of a recording as groups that were in the engine together, prepared by our own rendering and tokenising.
import { isDeepStrictEqual } from 'node:util';
import type { Recording, ReqLine, ResLine } from '../../fixtures/recording.js';
import type { KvEvent } from '../kv-events.js';
import { API_OF_PATH, type PrepareContext, prepare } from '../prepare.js';
import type { SequenceOptions } from '../sequence.js';
import type { Expected, Group } from './schedule-search.js';

export interface GroupOptions {
  readonly context: PrepareContext;
  readonly blockSize: number;
  /** the engine knows full reports and session ids (0.32) */
  readonly fullReports: boolean;
}

export interface RecordingGroups {
  readonly groups: readonly Group[];
  /** requests whose recorded prompt ids differ from ours */
  readonly wrongPrompts: readonly string[];
}

export async function groupsOf(
  recording: Recording,
  batches: readonly (readonly KvEvent[])[],
  options: GroupOptions,
): Promise<RecordingGroups> {
  const responses = new Map(recording.run.flatMap((line) => (line.k === 'res' ? [[line.id, line] as const] : [])));
  const groups: Group[] = [];
  const wrongPrompts: string[] = [];
  const open = new Set<number>();
  let current: Expected[] = [];
  let reset = false;
  let messages = 0;
  let disconnectedFrom = -1;
  const close = (): void => {
    if (current.length === 0) return;
    groups.push({ variants: [current], reset });
    current = [];
    reset = false;
  };
  for (const line of recording.run) {
    if (line.k === 'msg') messages++;
    else if (line.k === 'res') open.delete(line.id);
    else if (line.k === 'note') {
      if (disconnectedFrom >= 0) groups.push({ variants: disconnected(batches.slice(disconnectedFrom, messages), options.blockSize) });
      disconnectedFrom = line.scenario.startsWith('client disconnect') ? messages : -1;
      if (disconnectedFrom >= 0) close();
    } else if (line.k === 'req') {
      if (open.size === 0) close();
      if (line.path === '/reset_prefix_cache') reset = true;
      if (!API_OF_PATH.has(line.path)) continue;
      open.add(line.id);
      const response = responses.get(line.id)!;
      const { requests, promptIds } = await expectedOf(line, response, options);
      if (response.prompt_token_ids && !isDeepStrictEqual(promptIds, response.prompt_token_ids))
        wrongPrompts.push(`${line.id} ${line.tag}`);
      current.push(...requests);
    }
  }
  close();
  return { groups, wrongPrompts };
}

async function expectedOf(
  line: ReqLine,
  response: ResLine,
  options: GroupOptions,
): Promise<{ requests: Expected[]; promptIds: readonly number[] }> {
  const prepared = await prepare(options.context, API_OF_PATH.get(line.path)!, line.body);
  const outputs = [response.token_ids, ...(response.more_choices ?? []).map((choice) => choice.token_ids)];
  const single = prepared.prompts.length * prepared.choices === 1;
  const requests = prepared.prompts.flatMap((promptIds, prompt) =>
    Array.from({ length: prepared.choices }, (_, choice): Expected => {
      const output = outputs[prompt * prepared.choices + choice];
      const sequence: SequenceOptions = {
        promptIds,
        maxTokens: prepared.maxTokens,
        sample: (i) => output?.[i] ?? 0,
        cacheSalt: prepared.cacheSalt,
        lora: prepared.lora,
        sessionId: options.fullReports ? prepared.sessionId : undefined,
        skipsCache: prepared.skipsCache,
        reportsFull: prepared.reportsFull && options.fullReports,
      };
      // with several prompts or choices `usage` reports one of them
      const cachedTokens = response.usage === undefined || !single ? undefined : (response.usage.prompt_tokens_details?.cached_tokens ?? 0);
      return { name: `${line.id} ${line.tag} ${prompt} ${choice}`, options: sequence, cachedTokens };
    }),
  );
  return { requests, promptIds: prepared.prompts[0]! };
}

/** The request whose client went away is not in the recording: its events tell its tokens, but not where its prompt ended nor when it was aborted. */
function disconnected(batches: readonly (readonly KvEvent[])[], blockSize: number): Expected[][] {
  const stores = batches.flat().filter((event) => event.type === 'BlockStored');
  const tokens = stores.flatMap((event) => event.tokenIds);
  const variants: Expected[][] = [];
  for (const partial of [0, blockSize / 2]) {
    const promptIds = Array.from({ length: stores[0]!.tokenIds.length + partial }, (_, i) => tokens[i] ?? 0);
    for (let maxTokens = 1; maxTokens < 3 * blockSize; maxTokens++) {
      const options = { promptIds, maxTokens, sample: (i: number) => tokens[promptIds.length + i] ?? 0 };
      variants.push([{ name: `disconnected ${partial} ${maxTokens}`, options, cachedTokens: undefined }]);
    }
  }
  return variants;
}
