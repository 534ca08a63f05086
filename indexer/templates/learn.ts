// Learns a render program from a renderer. Source: DESIGN section 8, facts on vLLM 9.1.
//   sentinel chats → literals → content functions → verification on random chats
import { CONTENT_IDENTITY } from '../../assembly/core/summary/format.js';
import { eachLimited } from '../concurrency.js';
import { isKvaneError, KvaneError } from '../errors.js';
import { type ChatMessage, keyOf, type Place, placeName, placesOf } from './chat.js';
import { executeChat } from './execute.js';
import { collectSpecimens, literalsOf, type TryRender } from './literals.js';
import { contentFunction } from './probe.js';
import type { ProgramEntry, RenderProgram } from './program.js';
import { randomChat, randomSource } from './random.js';
import type { Renderer } from './renderer.js';
import { compare, type Truth } from './verify.js';

export interface LearnOptions {
  readonly nfc: boolean;
  /** As the tokenizer file says; a renderer with `renderCompletion` knows better. */
  readonly completionPrefix: Uint8Array;
  /** `chat_template_kwargs` of the variant. */
  readonly arguments?: Readonly<Record<string, unknown>>;
  /** Random chats that must agree. Default 100. */
  readonly verifications?: number;
  readonly seed?: number;
  /** Renders at once. Default 4. */
  readonly concurrency?: number;
}

export interface Refusal {
  readonly place: string;
  readonly reason: 'ambiguous' | 'content' | 'mismatch' | 'length';
}

export interface LearnResult {
  readonly program: RenderProgram;
  /** Why the program has no chat part; undefined when it has. */
  readonly reason: string | undefined;
  readonly refused: readonly Refusal[];
  readonly renders: number;
  /** Random chats that agreed, and how many of them the program covered to the end. */
  readonly verified: number;
  readonly covered: number;
}

/** Field width in format.ts, PROGRAMS. */
const LITERAL_MAX_BYTES = 0xffff;

/** Throws what the renderer throws, except refusals of single chats. */
export async function learnProgram(renderer: Renderer, options: LearnOptions): Promise<LearnResult> {
  const concurrency = options.concurrency ?? 4;
  const renderBytes = tryRenderer(renderer, options);
  const render: TryRender = async (messages) => textOf(await renderBytes.call(messages));
  const completionPrefix = await learnCompletionPrefix(renderer, options);
  const refused: Refusal[] = [];

  const specimens = await collectSpecimens(render, concurrency);
  const { learned, ambiguous } = literalsOf(specimens);
  for (const place of ambiguous) refused.push({ place: placeName(place), reason: 'ambiguous' });

  const entries: ProgramEntry[] = [];
  await eachLimited([...learned.values()], concurrency, async (one) => {
    const content = one.place.role === 'end' ? CONTENT_IDENTITY : await contentFunction(render, one);
    const literal = Buffer.from(one.literal, 'utf8');
    if (content === undefined) refused.push({ place: placeName(one.place), reason: 'content' });
    else if (literal.length > LITERAL_MAX_BYTES) refused.push({ place: placeName(one.place), reason: 'length' });
    else entries.push({ ...one.place, literal, content });
  });
  entries.sort((a, b) => keyOf(a) - keyOf(b));

  const random = await collectTruth(renderBytes.call, options.verifications ?? 100, options.seed ?? 1, concurrency);
  const fixed = specimens.map(({ messages, text }): Truth => ({ messages, bytes: Buffer.from(text, 'utf8') }));
  const base = { variant: JSON.stringify(options.arguments ?? {}), nfc: options.nfc, completionPrefix };
  const verdict = prune({ ...base, chat: true, entries }, [...fixed, ...random.truth], refused);
  const reason =
    random.truth.length < random.wanted ? `only ${random.truth.length} of ${random.wanted} random chats could be rendered` : verdict.reason;
  return {
    program: reason === undefined ? verdict.program : { ...base, chat: false, entries: [] },
    reason,
    refused,
    renders: renderBytes.count(),
    verified: random.truth.length,
    covered: random.truth.filter((truth) => coversWhole(verdict.program, truth)).length,
  };
}

/** Compares a program with fresh random chats: false when the template has changed since it was learned. */
export async function stillTrue(
  renderer: Renderer,
  program: RenderProgram,
  options: LearnOptions & { readonly chats: number },
): Promise<boolean> {
  const { call } = tryRenderer(renderer, options);
  const { truth } = await collectTruth(call, options.chats, options.seed ?? 1, options.concurrency ?? 4);
  return truth.every((one) => compare(program, one) === undefined);
}

/** Agreeing chats with a place that show the place itself to be right. */
const TRUSTED_AFTER = 3;

/** Takes out every place that is wrong, until all agrees; refuses the program when the start of a chat cannot be trusted. */
function prune(
  program: RenderProgram,
  truth: readonly Truth[],
  refused: Refusal[],
): { program: RenderProgram; reason: string | undefined } {
  const entries = new Map(program.entries.map((entry) => [keyOf(entry), entry]));
  for (;;) {
    const current = { ...program, entries: [...entries.values()] };
    const mismatches = truth.flatMap((one) => compare(current, one) ?? []);
    if (mismatches.length === 0)
      return { program: current, reason: usable(current) ? undefined : 'not even a single user message can be rendered' };
    const whole = mismatches.filter(({ partial }) => !partial);
    const worst = mostFrequent((whole.length > 0 ? whole : mismatches).map(({ place }) => place));
    if (whole.length === 0 && agreeing(current, truth, worst) >= TRUSTED_AFTER) {
      const roles = mismatches[0]!.truth.messages.map(({ role }) => role).join(' ');
      return {
        program: current,
        reason: `the template moves messages or changes earlier ones (${roles}): the start of a chat is not the start of its prompt`,
      };
    }
    entries.delete(keyOf(worst));
    refused.push({ place: placeName(worst), reason: 'mismatch' });
  }
}

const agreeing = (program: RenderProgram, truth: readonly Truth[], place: Place): number =>
  truth.filter(
    (one) => coversWhole(program, one) && placesOf(one.messages.map(({ role }) => role)).some((at) => keyOf(at) === keyOf(place)),
  ).length;

const mostFrequent = (places: readonly Place[]): Place => {
  const counts = new Map<number, number>();
  for (const place of places) counts.set(keyOf(place), (counts.get(keyOf(place)) ?? 0) + 1);
  return places.reduce((best, place) => (counts.get(keyOf(place))! > counts.get(keyOf(best))! ? place : best));
};

const usable = (program: RenderProgram): boolean => program.entries.some(({ previous, role }) => previous === 'begin' && role === 'user');

const coversWhole = (program: RenderProgram, truth: Truth): boolean =>
  executeChat(program, truth.messages).reason === undefined && compare(program, truth) === undefined;

/** Renders that count themselves; a chat that the template refuses is undefined. */
function tryRenderer(renderer: Renderer, options: LearnOptions) {
  let renders = 0;
  const call = async (messages: readonly ChatMessage[]): Promise<Uint8Array | undefined> => {
    renders++;
    try {
      return await renderer.render(options.arguments ? { messages, arguments: options.arguments } : { messages });
    } catch (error) {
      if (isKvaneError(error, 'render.refused')) return undefined;
      throw error;
    }
  };
  return { call, count: () => renders };
}

async function collectTruth(
  render: (messages: readonly ChatMessage[]) => Promise<Uint8Array | undefined>,
  wanted: number,
  seed: number,
  concurrency: number,
) {
  const random = randomSource(seed);
  const truth: Truth[] = [];
  for (let attempts = 0; truth.length < wanted && attempts < wanted * 8; attempts += concurrency) {
    const chats = Array.from({ length: concurrency }, () => randomChat(random));
    const rendered = await Promise.all(chats.map(render));
    for (const [i, bytes] of rendered.entries()) if (bytes !== undefined) truth.push({ messages: chats[i]!, bytes });
  }
  return { truth, wanted };
}

async function learnCompletionPrefix(renderer: Renderer, options: LearnOptions): Promise<Uint8Array> {
  if (!renderer.renderCompletion) return options.completionPrefix;
  const probe = 'KvaneSentinelQ';
  let text: string;
  try {
    text = textOf(await renderer.renderCompletion(probe)) ?? '';
  } catch (error) {
    // An engine may render chats only: the tokenizer file has to do.
    if (isKvaneError(error, 'render.disabled') || isKvaneError(error, 'render.refused')) return options.completionPrefix;
    throw error;
  }
  const at = text.indexOf(probe);
  if (at < 0) throw new KvaneError('template.unlearnable', 'a completion prompt is not rendered as itself');
  return Buffer.from(text.slice(0, at), 'utf8');
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new KvaneError('template.unlearnable', 'a rendering is not UTF-8: the tokenizer file does not fit the engine', { cause });
  }
}
