// From a chat request's body to what the template gets: vLLM's content parsing and its re-serialisation of tools and arguments.
import { ApiError } from './errors.js';
import { PythonNumber, type PythonValue, pythonDumps, pythonLoads } from './python-json.js';
import type { Chat, TemplateMessage } from './template.js';

// biome-ignore lint/suspicious/noExplicitAny: a client's JSON, checked member by member
type Json = any;

const bad = (message: string): ApiError => new ApiError(400, message);

/** `raw` is the body's text: numbers inside of tools must survive as they were written. */
export function parseChat(body: Json, raw: string | undefined): Chat {
  if (!Array.isArray(body.messages)) throw bad('messages: a list is required');
  const addGenerationPrompt = body.add_generation_prompt ?? true;
  const continueFinalMessage = body.continue_final_message ?? false;
  if (addGenerationPrompt && continueFinalMessage) {
    throw bad('Cannot set both `continue_final_message` and `add_generation_prompt` to True.');
  }
  return {
    messages: body.messages.map(parseMessage),
    tools: parseTools(body, raw),
    addGenerationPrompt,
    continueFinalMessage,
    variables: templateVariables(body),
  };
}

function templateVariables(body: Json): Record<string, unknown> {
  const given: Record<string, unknown> = { ...(body.chat_template_kwargs ?? {}) };
  const effort = body.reasoning_effort;
  if (effort != null) {
    given.reasoning_effort = effort;
    if (!('enable_thinking' in given)) given.enable_thinking = effort !== 'none';
  }
  if (body.documents != null) given.documents = body.documents;
  return given;
}

function parseMessage(message: Json): TemplateMessage {
  if (message === null || typeof message !== 'object' || typeof message.role !== 'string') throw bad('messages: each needs a role');
  const reasoning = message.reasoning ?? message.reasoning_content;
  const calls = Array.isArray(message.tool_calls) && message.role === 'assistant' ? message.tool_calls : [];
  return {
    role: message.role === 'developer' ? 'system' : message.role,
    content: contentText(message.content),
    ...(typeof message.name === 'string' && { name: message.name }),
    ...(typeof reasoning === 'string' && { reasoning, reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls.map(parseToolCall) }),
  };
}

/** The `string` content format: text parts joined by newlines, empty ones dropped. */
export function contentText(content: Json): string {
  if (content == null) return '';
  if (typeof content === 'string') return wellFormed(content);
  if (!Array.isArray(content)) throw bad('content: a string or a list of parts');
  const texts = content.map((part) => {
    if (part === null || typeof part !== 'object') throw bad('content: parts are objects');
    if (typeof part.text !== 'string') throw bad(`content: this model reads no part of type ${part.type}`);
    return wellFormed(part.text);
  });
  return texts.filter((text) => text !== '').join('\n');
}

export function wellFormed(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw bad('a lone surrogate is not text');
  return text;
}

function parseToolCall(call: Json): NonNullable<TemplateMessage['tool_calls']>[number] {
  const text = call?.function?.arguments;
  let dumped = '{}';
  if (typeof text === 'string' && text.trim() !== '') {
    try {
      dumped = pythonDumps(pythonLoads(text));
    } catch {
      throw bad('tool_calls: arguments are not JSON');
    }
  }
  return { id: call.id, type: 'function', function: { name: String(call.function?.name), arguments: dumped } };
}

function parseTools(body: Json, raw: string | undefined): string[] | undefined {
  if (body.tools == null) return undefined;
  if (!Array.isArray(body.tools) || body.tools.length === 0) throw bad('tools: must not be an empty list');
  const exact = pythonLoads(raw ?? JSON.stringify(body)) as Map<string, PythonValue>;
  return (exact.get('tools') as PythonValue[]).map(dumpTool);
}

/** type, function {name, description, parameters[, strict]} in this order; unknown members go. */
function dumpTool(tool: PythonValue): string {
  const given = tool instanceof Map ? tool.get('function') : undefined;
  if (!(given instanceof Map) || typeof given.get('name') !== 'string') throw bad('tools: each needs a function with a name');
  const kept = new Map<string, PythonValue>();
  for (const key of ['name', 'description', 'parameters']) kept.set(key, given.get(key) ?? null);
  const strict = given.get('strict');
  if (strict !== undefined && strict !== null && !(strict instanceof PythonNumber)) kept.set('strict', strict);
  const dumped = new Map<string, PythonValue>();
  dumped.set('type', 'function');
  dumped.set('function', kept);
  return pythonDumps(dumped);
}
