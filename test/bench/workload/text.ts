// Text as it stands in chats: prose, lists, code. What matters to the filter is how often JSON escapes something (a newline or a
// quote every 40 to 60 bytes) and how much is not ASCII (a little).
import type { Random } from './random.js';

const ACCENTED = [' café', ' naïve', ' Zürich', ' – ', ' “quoted” ', ' it’s', ' 北京大学', ' данные', ' €5', ' façade'];
const NAMES = ['value', 'index', 'items', 'result', 'buffer', 'request', 'config', 'total', 'count', 'node', 'path', 'row'];

/** Skewed as word frequencies are. */
const word = (random: Random, words: readonly string[]): string => words[Math.floor(words.length * random.next() ** 3)]!;

function sentence(random: Random, words: readonly string[]): string {
  let text = '';
  for (let left = 6 + random.below(14); left > 0; left--) {
    const chance = random.next();
    if (chance < 0.02) text += ` "${word(random, words).trim()}"`;
    else if (chance < 0.03) text += random.pick(ACCENTED);
    else if (chance < 0.05) text += ` ${random.below(1000)}`;
    else text += word(random, words);
    if (left > 1 && random.next() < 0.08) text += ',';
  }
  const trimmed = text.trimStart();
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}. `;
}

function paragraph(random: Random, words: readonly string[]): string {
  let text = '';
  for (let left = 2 + random.below(4); left > 0; left--) text += sentence(random, words);
  return `${text.trimEnd()}\n\n`;
}

function list(random: Random, words: readonly string[]): string {
  let text = '';
  for (let left = 3 + random.below(4); left > 0; left--) text += `- ${sentence(random, words).trimEnd()}\n`;
  return `${text}\n`;
}

function code(random: Random, words: readonly string[]): string {
  const name = (): string => random.pick(NAMES);
  let text = '```python\n';
  for (let functions = 1 + random.below(2); functions > 0; functions--) {
    text += `def ${name()}_${word(random, words).trim()}(${name()}, ${name()}=None):\n    """${sentence(random, words).trimEnd()}"""\n`;
    for (let lines = 4 + random.below(8); lines > 0; lines--) {
      const kind = random.below(4);
      if (kind === 0)
        text += `    if ${name()} is None:\n        raise ValueError("${word(random, words).trim()}: \\"%s\\"" % ${name()})\n`;
      else if (kind === 1) text += `    ${name()}["${word(random, words).trim()}"] = ${name()}.get("${name()}", ${random.below(100)})\n`;
      else if (kind === 2) text += `    for ${name()} in range(len(${name()})):\n        ${name()} += ${name()}[${random.below(10)}]\n`;
      else text += `    ${name()} = ${name()}(${name()}, '${word(random, words).trim()}')  # ${word(random, words).trim()}\n`;
    }
    text += `    return ${name()}\n\n`;
  }
  return `${text.trimEnd()}\n\`\`\`\n\n`;
}

/** Bytes of a text inside a JSON string. */
export const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/** Text that takes exactly `bytes` inside a JSON string. */
export function chatText(random: Random, words: readonly string[], bytes: number): string {
  const pieces: string[] = [];
  let room = bytes;
  while (room > 0) {
    const chance = random.next();
    const piece = chance < 0.74 ? paragraph(random, words) : chance < 0.9 ? list(random, words) : code(random, words);
    const length = jsonBytes(piece);
    if (length <= room) {
      pieces.push(piece);
      room -= length;
    } else {
      const cut = prefixOf(piece, room);
      pieces.push(cut, '.'.repeat(room - jsonBytes(cut)));
      room = 0;
    }
  }
  return pieces.join('');
}

/** The longest prefix that takes at most `bytes` inside a JSON string, no character cut. */
function prefixOf(text: string, bytes: number): string {
  let room = bytes;
  let end = 0;
  for (const character of text) {
    room -= jsonBytes(character);
    if (room < 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}
