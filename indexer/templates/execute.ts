// Reference executor of render programs: what the filter does, in plain TypeScript. The oracle of assembly/core/prompt.

import { CHAT_ROLES, type ChatRole, keyOf, placesOf } from './chat.js';
import { applyContent } from './content.js';
import type { ProgramEntry, RenderProgram } from './program.js';

/** Why rendering ended before the end of the chat. */
export type StopReason = 'no_messages' | 'role' | 'content' | 'field' | 'tool_response' | 'key' | 'think' | 'nfc';

export interface Execution {
  /** Prompt bytes, up to the stop when there is one: always a prefix of what the engine renders. */
  readonly bytes: Uint8Array;
  readonly reason: StopReason | undefined;
}

const stopped = (reason: StopReason, text = ''): Execution => ({ bytes: Buffer.from(text, 'utf8'), reason });

/** Entries by key. */
export const entriesByKey = (entries: readonly ProgramEntry[]): Map<number, ProgramEntry> =>
  new Map(entries.map((entry) => [keyOf(entry), entry]));

/** Renders the `messages` of a request body; anything but string or missing contents of system, user and assistant stops. */
export function executeChat(program: RenderProgram, messages: unknown): Execution {
  if (!Array.isArray(messages) || messages.length === 0) return stopped('no_messages');
  const turns = messages.map((message: unknown) => (message ?? {}) as Turn);
  // Such a message is not the "last user" of Qwen-like templates, which changes what stands before it.
  if (turns.some(({ role, content }) => role === 'user' && looksLikeToolResponse(content))) return stopped('tool_response');

  const entries = entriesByKey(program.entries);
  const places = placesOf(turns.map(({ role }) => role as ChatRole));
  let text = '';
  const finish = (reason?: StopReason): Execution => normalised(program, text, reason);
  for (const [i, place] of places.entries()) {
    const turn = turns[i];
    if (turn && !CHAT_ROLES.includes(turn.role as ChatRole)) return finish('role');
    const entry = entries.get(keyOf(place));
    if (!entry) return finish('key');
    const literal = Buffer.from(entry.literal).toString('utf8');
    if (!turn) text += literal;
    else {
      if (hasMore(turn)) return finish('field');
      const given = turn.content ?? '';
      if (typeof given !== 'string') return finish('content');
      const content = applyContent(entry.content, given);
      if (content === undefined) return finish('think');
      text += literal + content;
    }
  }
  return finish();
}

interface Turn {
  readonly role?: unknown;
  readonly content?: unknown;
}

const looksLikeToolResponse = (text: unknown): boolean =>
  typeof text === 'string' && text.startsWith('<tool_response>') && text.endsWith('</tool_response>');

/** A member that a template may render: tool calls, reasoning, a name. */
const hasMore = (turn: Turn): boolean =>
  Object.entries(turn).some(([name, value]) => name !== 'role' && name !== 'content' && value !== null && value !== undefined);

/** Renders the `prompt` of a completion request; of a list the first element. */
export function executeCompletion(program: RenderProgram, prompt: unknown): Execution {
  const first: unknown = Array.isArray(prompt) ? prompt[0] : prompt;
  if (typeof first !== 'string') return stopped('content');
  return normalised(program, Buffer.from(program.completionPrefix).toString('utf8') + first, undefined);
}

/** Ends the text before the first character that NFC would change or join with what follows. */
function normalised(program: RenderProgram, text: string, reason: StopReason | undefined): Execution {
  if (!program.nfc) return stoppedOrWhole(text, reason);
  const whole = text.normalize('NFC');
  if (whole === text) return stoppedOrWhole(text, reason);
  let same = 0;
  while (text[same] === whole[same]) same++;
  while (same > 0 && !isBoundary(text, same)) same--;
  return stopped('nfc', text.slice(0, same));
}

const stoppedOrWhole = (text: string, reason: StopReason | undefined): Execution => ({ bytes: Buffer.from(text, 'utf8'), reason });

/** Nothing before `at` can combine with what stands there. */
function isBoundary(text: string, at: number): boolean {
  const code = text.codePointAt(at);
  if (code === undefined || (code >= 0xdc00 && code <= 0xdfff)) return false;
  return !/^\p{M}/u.test(String.fromCodePoint(code)) && !(code >= 0x1160 && code <= 0x11ff);
}
