// Python's `json.loads` and `json.dumps(ensure_ascii=False)` where they differ from JavaScript's: numbers keep their kind and
// size, NaN and Infinity exist, separators are ", " and ": ". Engines re-serialise tools and tool-call arguments this way.

/** A number as Python would print it again. */
export class PythonNumber {
  readonly text: string;
  constructor(literal: string) {
    this.text = /^-?\d+$/.test(literal) ? BigInt(literal).toString() : floatRepr(Number(literal));
  }
}

export type PythonValue = null | boolean | string | PythonNumber | PythonValue[] | Map<string, PythonValue>;

/** `float.__repr__`, with json's names for what is not finite. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa, exponentText] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const exponent = Number(exponentText);
  const sign = value < 0 ? '-' : '';
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`;
}

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const WORDS: readonly (readonly [string, PythonValue])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
];
const WORD_NUMBERS = ['NaN', 'Infinity', '-Infinity'];

/** Throws SyntaxError where Python raises JSONDecodeError. */
export function pythonLoads(text: string): PythonValue {
  let at = 0;
  const fail = (): never => {
    throw new SyntaxError(`invalid JSON at character ${at}`);
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skip = (): void => void match(WHITESPACE);
  const take = (literal: string): boolean => {
    if (!text.startsWith(literal, at)) return false;
    at += literal.length;
    return true;
  };
  const string = (): string => {
    const literal = match(STRING) ?? fail();
    return JSON.parse(literal) as string;
  };
  const value = (): PythonValue => {
    skip();
    if (text[at] === '"') return string();
    if (take('{')) return object();
    if (take('[')) return array();
    for (const [word, known] of WORDS) if (take(word)) return known;
    for (const word of WORD_NUMBERS) if (take(word)) return new PythonNumber(word);
    return new PythonNumber(match(NUMBER) || fail());
  };
  const object = (): PythonValue => {
    const map = new Map<string, PythonValue>();
    skip();
    if (take('}')) return map;
    do {
      skip();
      const key = string();
      skip();
      if (!take(':')) fail();
      map.set(key, value());
      skip();
    } while (take(','));
    return take('}') ? map : fail();
  };
  const array = (): PythonValue => {
    const list: PythonValue[] = [];
    skip();
    if (take(']')) return list;
    do {
      list.push(value());
      skip();
    } while (take(','));
    return take(']') ? list : fail();
  };
  const result = value();
  skip();
  if (at !== text.length) fail();
  return result;
}

export function pythonDumps(value: PythonValue): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (value instanceof PythonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(pythonDumps).join(', ')}]`;
  return `{${[...value].map(([key, member]) => `${JSON.stringify(key)}: ${pythonDumps(member)}`).join(', ')}}`;
}
