// The requests of a recording: which group they are reported in, whether they are plain, and the other ways to write their bodies.
import type { ReqLine } from '../fixtures/recording.js';

export const GROUPS = ['canonical', 'own', 'b2b', 'burst', 'single'] as const;
export type GroupName = (typeof GROUPS)[number];

/** Not usable as truth, by the engine's own reporting (README of the recordings). */
const EXCLUDED = new Set([
  'n3',
  'cmpl-strs',
  'cmpl-idlists',
  'cmpl-trunc',
  'cmpl-promptlogprobs',
  'dup',
  'load',
  'after-reset',
  'reset',
  'tokenize',
]);

export function groupOf(tag: string): GroupName | undefined {
  if (EXCLUDED.has(tag)) return undefined;
  if (tag === 'seq-canon') return 'canonical';
  if (tag === 'seq-own') return 'own';
  if (tag.startsWith('b2b-')) return 'b2b';
  return tag.startsWith('burst-') ? 'burst' : 'single';
}

type Body = Readonly<Record<string, unknown>>;

const isAbsent = (value: unknown): boolean => value === undefined || value === null;
const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Members that change a prompt or keep the engine from its cache, unless they are absent. */
const CHANGES = [
  'truncate_prompt_tokens',
  'prompt_embeds',
  'prompt_logprobs',
  'tools',
  'chat_template',
  'documents',
  'reasoning_effort',
] as const;

/** Texts of a plain request (strings of system, user and assistant, default arguments; a string completion); undefined: not plain. */
export function plainTexts({ path, body }: ReqLine): readonly string[] | undefined {
  if (!isObject(body) || CHANGES.some((name) => !isAbsent(body[name]))) return undefined;
  const kwargs = body.chat_template_kwargs;
  if (isObject(kwargs) ? Object.keys(kwargs).length > 0 : !isAbsent(kwargs)) return undefined;
  if (path === '/v1/completions') return typeof body.prompt === 'string' && (body.add_special_tokens ?? true) ? [body.prompt] : undefined;
  if (path !== '/v1/chat/completions' || !Array.isArray(body.messages) || body.messages.length === 0) return undefined;
  if (!(body.add_generation_prompt ?? true) || (body.continue_final_message ?? false) || (body.add_special_tokens ?? false))
    return undefined;
  const texts = body.messages.map((message: unknown) => {
    if (!isObject(message) || !['system', 'user', 'assistant'].includes(String(message.role))) return undefined;
    const more = Object.keys(message).some((name) => name !== 'role' && name !== 'content' && !isAbsent(message[name]));
    return !more && typeof message.content === 'string' ? message.content : undefined;
  });
  return texts.every((text) => text !== undefined) ? texts : undefined;
}

export const changesUnderNfc = (texts: readonly string[]): boolean => texts.some((text) => text.normalize('NFC') !== text);

/** Bytes of the assistant's turns: what the engine may have sampled itself. */
export function assistantBytes(body: unknown): number {
  const messages: unknown = isObject(body) ? body.messages : undefined;
  if (!Array.isArray(messages)) return 0;
  const contents = messages.map((message: unknown) => (isObject(message) && message.role === 'assistant' ? message.content : ''));
  return contents.reduce((sum: number, content) => sum + Buffer.byteLength(typeof content === 'string' ? content : ''), 0);
}

const FIRST = ['messages', 'prompt'];
const LAST = ['model', 'tools', 'cache_salt'];

/** As real clients write it: the prompt first; what decides about it last. */
function promptFirst(body: Body): Body {
  const rank = (name: string): number => (FIRST.includes(name) ? -1 : LAST.indexOf(name) + 1);
  return Object.fromEntries(Object.entries(body).sort(([a], [b]) => rank(a) - rank(b)));
}

const escapeNonAscii = (json: string): string =>
  json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Bytes of one read from the client: chunks of all sizes. */
export interface WrittenBody {
  readonly bytes: Uint8Array;
  readonly readBytes: number;
}

/** The body as recorded, prompt first, and as Python's json.dumps writes it: equal results are due. */
export function writings({ id, body }: ReqLine): WrittenBody[] {
  if (body === undefined || body === null || body === '') return [{ bytes: new Uint8Array(), readBytes: 1 }];
  const texts = isObject(body)
    ? [JSON.stringify(body), JSON.stringify(promptFirst(body)), escapeNonAscii(JSON.stringify(body, null, 1))]
    : [typeof body === 'string' ? body : JSON.stringify(body)];
  const reads = [16_384, 1_000 + (id % 997), 61 + (id % 67)];
  return texts.map((text, i) => ({ bytes: Buffer.from(text), readBytes: reads[i]! }));
}
