// What a request renders to, by format.ts (PROGRAMS) and facts on vLLM 8 and 9, on parsed JSON and JavaScript strings.
import { stripLeft, stripRight } from '../../../indexer/templates/content.js';
import type { RenderProgram, Role } from '../../../indexer/templates/program.js';

export interface Rendered {
  /** Bytes that are sure. */
  readonly text: string;
  /** Reason name as in assembly/core/prompt/reason.ts. */
  readonly reason: string;
}

export interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
  readonly [name: string]: unknown;
}
export type Body = Readonly<Record<string, unknown>>;

const nothing = (reason: string): Rendered => ({ text: '', reason });
const isPresent = (value: unknown): boolean => value !== undefined && value !== null;

function optionReason(body: Body, chat: boolean): string | undefined {
  if (['truncate_prompt_tokens', 'prompt_embeds', 'prompt_logprobs'].some((name) => isPresent(body[name]))) return 'options';
  if (!chat) return undefined;
  if (isPresent(body.tools)) return 'tools';
  if (isPresent(body.chat_template)) return 'options';
  if (isPresent(body.documents) || isPresent(body.reasoning_effort)) return 'variant';
  if (isPresent(body.chat_template_kwargs) && JSON.stringify(body.chat_template_kwargs) !== '{}') return 'variant';
  const expected = { add_generation_prompt: true, continue_final_message: false, add_special_tokens: false };
  const differs = Object.entries(expected).some(([name, value]) => isPresent(body[name]) && body[name] !== value);
  return differs ? 'variant' : undefined;
}

/** Content functions of format.ts; undefined: not covered. */
export function contentOf(number: number, text: string): string | undefined {
  const strip = (t: string): string => stripLeft(stripRight(t));
  const newlines = (t: string): string => t.replace(/^\n+/, '');
  const parts = text.split('</think>');
  const last = parts.at(-1)!;
  const has = parts.length > 1;
  switch (number) {
    case 0:
      return text;
    case 1:
      return strip(text);
    case 2:
      return stripLeft(text);
    case 3:
      return stripRight(text);
    case 4:
      return has ? newlines(last) : text;
    case 5:
      return strip(last);
    case 6:
      return has ? undefined : text;
    case 7:
      return has ? undefined : newlines(text);
    case 8:
      return has ? undefined : strip(text);
  }
  throw new Error(`content function ${number}`);
}

const ROLES = ['system', 'user', 'assistant', 'tool', 'developer'];

function renderChat(program: RenderProgram, messages: readonly Message[]): Rendered {
  if (!program.chat) return nothing('no_program');
  if (!messages.length) return nothing('json');
  const toolAnswer = messages.some(({ role, content }) => role === 'user' && String(content).startsWith('<tool_response>'));
  if (toolAnswer) return nothing('content');
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  let text = '';
  let previous: Role = 'begin';
  const entryAt = (role: Role, i: number) =>
    program.entries.find(
      (entry) =>
        entry.system === (messages[0]!.role === 'system') &&
        entry.previous === previous &&
        entry.role === role &&
        entry.afterUser === (lastUser >= 0 && i > lastUser) &&
        entry.last === (i === messages.length - 1),
    );
  for (const [i, message] of messages.entries()) {
    const { role, content, ...more } = message;
    const odd = isPresent(content) && typeof content !== 'string';
    if (odd || Object.values(more).some(isPresent) || !ROLES.includes(role as string)) return { text, reason: 'message' };
    const entry = entryAt(role as Role, i);
    if (!entry) return { text, reason: 'role_order' };
    // Not covered: the template may render this message otherwise from its first byte on.
    const own = contentOf(entry.content, (content ?? '') as string);
    if (own === undefined) return { text, reason: 'content' };
    text += Buffer.from(entry.literal).toString() + own;
    previous = role as Role;
  }
  const end = entryAt('end', messages.length - 1);
  return end ? { text: text + Buffer.from(end.literal).toString(), reason: 'covered' } : { text, reason: 'role_order' };
}

/** Without NFC: texts are given out as they are. */
export function render(program: RenderProgram, body: Body, chat: boolean): Rendered {
  const reason = optionReason(body, chat);
  if (reason) return nothing(reason);
  if (chat) return Array.isArray(body.messages) ? renderChat(program, body.messages as Message[]) : nothing('json');
  const prompt: unknown = Array.isArray(body.prompt) ? body.prompt[0] : body.prompt;
  if (typeof prompt !== 'string') return nothing('prompt_type');
  const special = !isPresent(body.add_special_tokens) || body.add_special_tokens === true;
  return { text: (special ? Buffer.from(program.completionPrefix).toString() : '') + prompt, reason: 'covered' };
}
