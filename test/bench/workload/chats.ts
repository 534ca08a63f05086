// Chat requests of an exact size: a system message and turns make the prefix, three quarters of the body, that one pod holds; the
// last user message is the tail, unique by a number that whoever sends it writes into the body.
import type { ChatMessage } from '../../../indexer/templates/chat.js';
import { executeChat } from '../../../indexer/templates/execute.js';
import type { RenderProgram } from '../../../indexer/templates/program.js';
import { randomSource } from './random.js';
import { chatText, jsonBytes } from './text.js';
import { benchTokenizer } from './tokenizer.js';

export interface ChatRequest {
  readonly body: Buffer;
  /** Offset of the 16 digits that make a body unique. */
  readonly serialAt: number;
  readonly messages: readonly ChatMessage[];
}

export const SERIAL_DIGITS = 16;
const PREFIX_SHARE = 0.75;
const SYSTEM_BYTES_MAX = 4096;
const TURN_BYTES_MAX = 2048;

export const MODEL = 'Qwen/Qwen3-8B';
export const SIZES = { '2KiB': 2 << 10, '32KiB': 32 << 10, '128KiB': 128 << 10, '400KiB': 400 << 10 } as const;
export type Size = keyof typeof SIZES;

/** Members in the order of OpenAI's Python client. */
const bodyOf = (messages: readonly ChatMessage[]): string =>
  JSON.stringify({ messages, model: MODEL, max_tokens: 256, stream: false, temperature: 0.7, top_p: 0.95 });

/** A request whose body has exactly `bytes` bytes. */
export function chatRequest(bytes: number, seed: number): ChatRequest {
  const { words } = benchTokenizer();
  const random = randomSource(seed);
  const messages: ChatMessage[] = [];
  let room = Math.floor(bytes * PREFIX_SHARE) - Buffer.byteLength('{"messages":[');
  while (room > 128) {
    const role = messages.length === 0 ? 'system' : messages.length % 2 === 1 ? 'user' : 'assistant';
    const frame = Buffer.byteLength(JSON.stringify({ role, content: '' })) + 1;
    const most = role === 'system' ? Math.min(SYSTEM_BYTES_MAX, bytes / 8) : role === 'user' ? TURN_BYTES_MAX / 2 : TURN_BYTES_MAX;
    const wanted = Math.floor(most * (0.5 + random.next() / 2));
    // The last turn takes what is left, so that the prefix has its size; turns then end with the assistant's.
    const content = chatText(random, words, room - frame - wanted < 256 ? room - frame : wanted);
    messages.push({ role, content });
    room -= frame + jsonBytes(content);
  }
  if (messages.at(-1)!.role === 'user') messages[messages.length - 1] = { role: 'assistant', content: messages.at(-1)!.content };
  const serial = '0'.repeat(SERIAL_DIGITS);
  const frame = Buffer.byteLength(bodyOf([...messages, { role: 'user', content: `[${serial}] ` }]));
  messages.push({ role: 'user', content: `[${serial}] ${chatText(random, words, bytes - frame)}` });
  const body = Buffer.from(bodyOf(messages));
  if (body.length !== bytes) throw new Error(`a body of ${bytes} bytes came out with ${body.length}`);
  return { body, serialAt: body.lastIndexOf(`[${serial}] `) + 1, messages };
}

/** Token ids of the part of the prompt that stands before the last message's content. */
export function prefixTokens(request: ChatRequest, program: RenderProgram): number[] {
  const { bytes, reason } = executeChat(program, request.messages);
  if (reason !== undefined) throw new Error(`the render program does not cover a benchmark chat: ${reason}`);
  const prompt = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = prompt.lastIndexOf(`[${'0'.repeat(SERIAL_DIGITS)}] `);
  return benchTokenizer().encode(prompt.toString('utf8', 0, end));
}
