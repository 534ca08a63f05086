// Chat templates as Python renders them. @huggingface/jinja ignores the argument of strip(), lstrip() and rstrip() and takes
// JavaScript's white space, both of which change prompts; here their calls are replaced in the parsed template.
import { Template } from '@huggingface/jinja';
import { stripLeft, stripRight } from '../../indexer/templates/content.js';

const left = (text: string, chars?: string): string => {
  if (typeof chars !== 'string') return stripLeft(text);
  let at = 0;
  while (at < text.length && chars.includes(text[at]!)) at++;
  return text.slice(at);
};

const right = (text: string, chars?: string): string => {
  if (typeof chars !== 'string') return stripRight(text);
  let end = text.length;
  while (end > 0 && chars.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
};

const FUNCTIONS = {
  python_lstrip: left,
  python_rstrip: right,
  python_strip: (text: string, chars?: string): string => left(right(text, chars), chars),
};

interface Node {
  type: string;
  callee?: Node;
  args?: Node[];
  object?: Node;
  property?: Node;
  computed?: boolean;
  operand?: Node;
  filter?: Node;
  value?: unknown;
}

const METHODS = new Set(['strip', 'lstrip', 'rstrip']);

function rewrite(node: unknown, seen: Set<object>): void {
  if (typeof node !== 'object' || node === null || seen.has(node)) return;
  seen.add(node);
  const children = node instanceof Map ? [...node.entries()].flat() : Object.values(node);
  for (const child of children) rewrite(child, seen);
  const call = node as Node;
  const { callee, filter } = call;
  if (
    call.type === 'CallExpression' &&
    callee?.type === 'MemberExpression' &&
    !callee.computed &&
    METHODS.has(String(callee.property?.value))
  ) {
    call.args = [callee.object!, ...(call.args ?? [])];
    call.callee = { type: 'Identifier', value: `python_${callee.property!.value}` };
  }
  if (call.type === 'FilterExpression' && filter?.type === 'Identifier' && filter.value === 'trim') {
    Object.assign(call, { type: 'CallExpression', callee: { type: 'Identifier', value: 'python_strip' }, args: [call.operand] });
  }
}

/** A compiled chat template: variables in, text out. Throws what the template raises. */
export function pythonTemplate(source: string): { render(variables: Readonly<Record<string, unknown>>): string } {
  const template = new Template(source);
  rewrite(template.parsed, new Set());
  return { render: (variables) => template.render({ ...variables, ...FUNCTIONS }) };
}
