// Finds the members of a JSON object that is a whole, valid document, as JSON.parse means them: the last duplicate wins.

export interface Member {
  readonly key: string;
  /** Raw text of the key between its quotes. */
  readonly rawKey: string;
  /** Span of the value. */
  readonly start: number;
  readonly end: number;
}

const TOKEN = /[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}[\]:,]|[^ \t\r\n{}[\]:,"]+)/gsy;

/** Offsets are in UTF-16 units of `text`; give it latin1-decoded bytes to have byte offsets. Undefined: no object in front. */
export function membersOf(text: string): Member[] | undefined {
  const tokens = new RegExp(TOKEN);
  const next = (): { text: string; start: number; end: number } | undefined => {
    const match = tokens.exec(text);
    return match ? { text: match[1]!, start: tokens.lastIndex - match[1]!.length, end: tokens.lastIndex } : undefined;
  };
  if (next()?.text !== '{') return undefined;
  const members: Member[] = [];
  for (;;) {
    const key = next();
    if (key === undefined) return undefined;
    if (key.text === '}') return members;
    if (key.text === ',') continue;
    next(); // the colon
    const first = next();
    if (first === undefined) return undefined;
    let end = first.end;
    for (let depth = opens(first.text); depth > 0; ) {
      const inner = next();
      if (inner === undefined) return undefined;
      depth += opens(inner.text) - closes(inner.text);
      end = inner.end;
    }
    members.push({ key: JSON.parse(key.text) as string, rawKey: key.text.slice(1, -1), start: first.start, end });
  }
}

const opens = (token: string): number => Number(token === '{' || token === '[');
const closes = (token: string): number => Number(token === '}' || token === ']');
