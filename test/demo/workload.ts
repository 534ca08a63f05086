// The load: groups of users who share a long system prompt, as in llm-d's benchmark (150 groups × 5 prompts, system 6,000 tokens,
// question 1,200, output 1,000), five times shorter and sized to the engines' KV capacity in the same way: 73 %.
import { MODEL } from '../e2e/fleet';

export const WORKING_SET_SHARE = 0.73;
export const PROMPTS_PER_GROUP = 5;
export const SYSTEM_TOKENS = 1200;
export const QUESTION_TOKENS = 240;
export const OUTPUT_TOKENS = 24;

export interface Workload {
  readonly groups: number;
  /** System prompts and questions, all together. */
  readonly workingSetTokens: number;
  readonly requestsPerSecond: number;
  readonly requests: readonly { readonly atMs: number; readonly body: object }[];
}

/** mulberry32: a seeded generator of numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Each is one token behind a blank. */
const WORDS = (
  'time year people way day man thing woman life child world school state family student group country problem hand part place case ' +
  'week company system program question work government number night point home water room mother area money story fact month lot ' +
  'right study book eye job word business issue side kind head house service friend father power hour game line end member law car city'
).split(' ');

function words(random: () => number, count: number): string {
  return Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
}

export function makeWorkload({
  seed,
  capacityTokens,
  requests,
  requestsPerSecond,
}: {
  seed: number;
  capacityTokens: number;
  requests: number;
  requestsPerSecond: number;
}): Workload {
  const random = generator(seed);
  const groupTokens = SYSTEM_TOKENS + PROMPTS_PER_GROUP * QUESTION_TOKENS;
  const groups = Math.round((capacityTokens * WORKING_SET_SHARE) / groupTokens);
  const contents = Array.from({ length: groups }, (_, group) => ({
    system: `Handbook number ${group}. ${words(random, SYSTEM_TOKENS - 16)}`,
    questions: Array.from({ length: PROMPTS_PER_GROUP }, (_, i) => `Question ${i}: ${words(random, QUESTION_TOKENS - 14)}`),
  }));
  let atMs = 0;
  return {
    groups,
    workingSetTokens: groups * groupTokens,
    requestsPerSecond,
    requests: Array.from({ length: requests }, () => {
      atMs += (-Math.log(1 - random()) / requestsPerSecond) * 1000;
      const { system, questions } = contents[Math.floor(random() * groups)]!;
      const user = questions[Math.floor(random() * PROMPTS_PER_GROUP)]!;
      const messages = [
        { role: 'system', content: system },
        { role: 'user', content: user },
      ];
      return { atMs, body: { model: MODEL, messages, max_tokens: OUTPUT_TOKENS, ignore_eos: true } };
    }),
  };
}
