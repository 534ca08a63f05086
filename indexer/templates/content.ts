// What templates do to a message's text: the content functions of format.ts, in TypeScript.
import {
  CONTENT_AFTER_THINK_NEWLINES,
  CONTENT_AFTER_THINK_STRIP,
  CONTENT_IDENTITY,
  CONTENT_STRIP,
  CONTENT_STRIP_LEFT,
  CONTENT_STRIP_RIGHT,
  CONTENT_WITHOUT_THINK,
  CONTENT_WITHOUT_THINK_NEWLINES,
  CONTENT_WITHOUT_THINK_STRIP,
} from '../../assembly/core/summary/format.js';

const THINK_END = '</think>';

/** `str.isspace()` of Python, which is neither JavaScript's `\s` nor its `trim`: U+001C to U+001F and U+0085 count, U+FEFF does not. */
const isSpace = (unit: number): boolean =>
  unit === 0x20 ||
  (unit >= 0x09 && unit <= 0x0d) ||
  (unit >= 0x1c && unit <= 0x1f) ||
  unit === 0x85 ||
  unit === 0xa0 ||
  unit === 0x1680 ||
  (unit >= 0x2000 && unit <= 0x200a) ||
  unit === 0x2028 ||
  unit === 0x2029 ||
  unit === 0x202f ||
  unit === 0x205f ||
  unit === 0x3000;

export function stripLeft(text: string): string {
  let at = 0;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return text.slice(at);
}

export function stripRight(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

const strip = (text: string): string => stripLeft(stripRight(text));
const afterThink = (text: string): string => (text.includes(THINK_END) ? text.slice(text.lastIndexOf(THINK_END) + THINK_END.length) : text);
const withoutThink = (text: string, then: (text: string) => string): string | undefined =>
  text.includes(THINK_END) ? undefined : then(text);
const stripNewlines = (text: string): string => text.replace(/^\n+/, '');

const FUNCTIONS: ReadonlyMap<number, (text: string) => string | undefined> = new Map([
  [CONTENT_IDENTITY, (text) => text],
  [CONTENT_STRIP, strip],
  [CONTENT_STRIP_LEFT, stripLeft],
  [CONTENT_STRIP_RIGHT, stripRight],
  // Without a think block nothing is touched: Qwen3's template strips newlines only where it has cut.
  [CONTENT_AFTER_THINK_NEWLINES, (text) => (text.includes(THINK_END) ? stripNewlines(afterThink(text)) : text)],
  [CONTENT_AFTER_THINK_STRIP, (text) => strip(afterThink(text))],
  [CONTENT_WITHOUT_THINK, (text) => withoutThink(text, (t) => t)],
  [CONTENT_WITHOUT_THINK_NEWLINES, (text) => withoutThink(text, stripNewlines)],
  [CONTENT_WITHOUT_THINK_STRIP, (text) => withoutThink(text, strip)],
]);

/** All content functions, the ones that cover every text first. */
export const CONTENT_CANDIDATES: readonly number[] = [...FUNCTIONS.keys()];

/** What the template makes of a text; undefined when the function does not cover it. */
export function applyContent(content: number, text: string): string | undefined {
  return FUNCTIONS.get(content)?.(text);
}
