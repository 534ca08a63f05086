// `/v1/messages` (Anthropic's shape) and `/v1/responses` become chats, as vLLM converts them.
import { ApiError } from './errors.js';
import type { Json } from './prepare.js';

const BILLING = 'x-anthropic-billing-header';

const textOf = (blocks: Json): string[] => blocks.filter((b: Json) => b.type === 'text').map((b: Json) => String(b.text));

export function chatOfMessages(body: Json): Json {
  const messages: Json[] = [];
  if (typeof body.system === 'string') messages.push({ role: 'system', content: body.system });
  else if (Array.isArray(body.system)) {
    const kept = textOf(body.system).filter((text) => !text.startsWith(BILLING));
    messages.push({ role: 'system', content: kept.join('') });
  }
  if (!Array.isArray(body.messages)) throw new ApiError(400, 'messages: a list is required');
  for (const message of body.messages) messages.push(...turnsOf(message));
  const tools = body.tools?.map((tool: Json) => ({
    type: 'function',
    function: { name: tool.name, description: tool.description, parameters: tool.input_schema },
  }));
  return { ...body, messages, tools };
}

/** Tool results come before the rest of the user message that carries them. */
function turnsOf(message: Json): Json[] {
  if (typeof message.content === 'string') return [{ role: message.role, content: message.content }];
  const blocks: Json[] = message.content ?? [];
  const results = blocks
    .filter((b) => b.type === 'tool_result')
    .map((b) => ({
      role: 'tool',
      tool_call_id: b.tool_use_id,
      content: typeof b.content === 'string' ? b.content : textOf(b.content ?? []).join('\n'),
    }));
  const calls = blocks
    .filter((b) => b.type === 'tool_use')
    .map((b) => ({ id: b.id, type: 'function', function: { name: b.name, arguments: JSON.stringify(b.input) } }));
  const thinking = blocks.filter((b) => b.type === 'thinking').map((b) => String(b.thinking));
  const texts = textOf(blocks);
  if (texts.length === 0 && calls.length === 0 && thinking.length === 0) return results;
  const content = texts.length === 1 ? texts[0] : texts.map((text) => ({ type: 'text', text }));
  return [
    ...results,
    {
      role: message.role,
      content,
      ...(calls.length > 0 && { tool_calls: calls }),
      ...(thinking.length > 0 && { reasoning: thinking.join('') }),
    },
  ];
}

export function chatOfResponses(body: Json): Json {
  if (body.previous_response_id != null) throw new ApiError(404, 'this engine stores no responses');
  const messages: Json[] = [];
  if (typeof body.instructions === 'string') messages.push({ role: 'system', content: body.instructions });
  if (typeof body.input === 'string') messages.push({ role: 'user', content: body.input });
  else {
    for (const item of body.input ?? []) {
      const content = Array.isArray(item.content) ? item.content.map((part: Json) => ({ type: 'text', text: part.text })) : item.content;
      messages.push({ role: item.role, content });
    }
  }
  return { ...body, messages, tools: undefined };
}
