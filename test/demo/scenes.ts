// The demo's scenes, in order: each says what happens and why it matters, does it, and shows what came of it.
import { setTimeout as delay } from 'node:timers/promises';
import { MODEL } from '../e2e/fleet';
import { ask } from './client';
import { GUIDE_PROMPT } from './guide-prompt';
import { type ArmResult, runArm } from './load';
import { bestScoreLine, type Score, scoresOf } from './scores';
import { blank, dim, line, table, text } from './screen';
import { CAPACITY_TOKENS, type Stage } from './stage';
import { makeWorkload, OUTPUT_TOKENS, PROMPTS_PER_GROUP, QUESTION_TOKENS, SYSTEM_TOKENS } from './workload';

const READING_MS = 700;
const SEED = 20260129;
const REQUESTS = 320;
const REQUESTS_PER_SECOND = 16;

const number = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Scene: llm-d's verification, the same prompt twice. Returns the scores of both requests. */
export async function samePromptTwice(stage: Stage): Promise<Score[][]> {
  const body = { model: MODEL, prompt: GUIDE_PROMPT, max_tokens: 50 };
  const send = async (id: string) => {
    const { json, engine } = await ask(stage.gateway, '/v1/completions', body, id);
    return { scores: await scoresOf(stage.envoy, id), engine, usage: json.usage };
  };
  text(
    'The prompt of llm-d’s guide, sent twice to /v1/completions. For each request the filter gives every engine a score: the share of ' +
      'the prompt that this engine holds in KV cache. It logs them as llm-d does; here they are, read from Envoy’s log.',
  );
  const first = await stage.withNews(() => send('demo-first'));
  const second = await send('demo-second');
  blank();
  const requests = [first, second];
  const rows = first.scores.map(({ endpoint, score }, i) => {
    const answered = requests.map(({ engine }) => (endpoint === `${engine}-rank-0` ? 'answered' : ''));
    return [endpoint, String(score), answered[0]!, String(second.scores[i]!.score), answered[1]!];
  });
  table(['Calculated score', '>1st request', '', '>2nd request', ''], rows, (row) => second.scores[row]!.score > 0);
  blank();
  for (const [i, { engine, usage }] of requests.entries()) {
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    line(`request ${i + 1}: ${engine} had ${cached} of ${usage.prompt_tokens} prompt tokens in its cache`);
  }
  blank();
  text('One of the lines, as it stands in Envoy’s log:');
  for (const piece of bestScoreLine(stage.envoy, 'demo-second').match(/.{1,94}/g) ?? []) line(dim(piece));
  return [first.scores, second.scores];
}

const QUESTIONS = [
  'Why is the second turn of a chat faster?',
  'What if it lands on another machine?',
  'So who should decide where it goes?',
];

/** Scene: a conversation, whose every turn sends all of it again. */
export async function conversation(stage: Stage): Promise<void> {
  text(
    'Every turn of a chat sends the whole conversation again. With the chat template that the indexer learned, the filter renders it ' +
      'to the very text that the engine will see, and follows it to the engine that holds its beginning.',
  );
  blank();
  const messages = [{ role: 'system', content: `You are a patient engineer. ${'Answer briefly and with an example. '.repeat(12)}`.trim() }];
  const rows: string[][] = [];
  for (const [turn, question] of QUESTIONS.entries()) {
    messages.push({ role: 'user', content: question });
    const { json, engine } = await ask(stage.gateway, '/v1/chat/completions', { model: MODEL, messages, max_tokens: 40 });
    messages.push({ role: 'assistant', content: json.choices[0].message.content });
    const { prompt_tokens, prompt_tokens_details } = json.usage;
    rows.push([String(turn + 1), question, engine, String(prompt_tokens), String(prompt_tokens_details?.cached_tokens ?? 0)]);
    if (turn < QUESTIONS.length - 1) await delay(READING_MS); // somebody reads the answer
  }
  table(['turn', 'the user asks', 'answered by', '>prompt tokens', '>from cache'], rows);
}

/** Scene: the same load twice. */
export async function compareUnderLoad(stage: Stage): Promise<{ leastRequest: ArmResult; kvane: ArmResult }> {
  const workload = makeWorkload({
    seed: SEED,
    capacityTokens: CAPACITY_TOKENS,
    requests: REQUESTS,
    requestsPerSecond: REQUESTS_PER_SECOND,
  });
  const share = Math.round((workload.workingSetTokens / CAPACITY_TOKENS) * 100);
  text(
    `${workload.groups} teams share a system prompt of ${number(SYSTEM_TOKENS)} tokens each and ask ${PROMPTS_PER_GROUP} questions of ` +
      `${QUESTION_TOKENS}: ${number(workload.workingSetTokens)} tokens, ${share} % of what the four engines can hold together. ` +
      'One engine alone holds a quarter of that, so who spreads requests evenly makes every engine forget all the time.',
  );
  text(
    `${workload.requests.length} streamed chats of ${OUTPUT_TOKENS} tokens arrive at random, ${REQUESTS_PER_SECOND} a second; both runs ` +
      'start with empty caches and get the same requests at the same times.',
  );
  blank();
  await stage.emptyCaches();
  const leastRequest = await runArm('least request', stage.plain, stage.engines, workload);
  await stage.emptyCaches();
  const kvane = await runArm('kvane', stage.gateway, stage.engines, workload);
  return { leastRequest, kvane };
}

export function showComparison({ leastRequest, kvane }: { leastRequest: ArmResult; kvane: ArmResult }): void {
  const row = (name: string, of: (arm: ArmResult) => string): string[] => [name, of(leastRequest), of(kvane)];
  table(
    ['', '>Envoy least request', '>kvane'],
    [
      row('prompt tokens found in cache', ({ hitShare }) => `${(hitShare * 100).toFixed(1)} %`),
      row('time to first token, p50', ({ ttftP50Ms }) => `${number(ttftP50Ms)} ms`),
      row('time to first token, p90', ({ ttftP90Ms }) => `${number(ttftP90Ms)} ms`),
      row('requests per second', ({ requestsPerSecond }) => requestsPerSecond.toFixed(1)),
      row('failed requests', ({ failed }) => String(failed)),
    ],
  );
}
