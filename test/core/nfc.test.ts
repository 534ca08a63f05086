import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface NfcExports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  nfcReset(): void;
  nfcStatus(): number;
  nfcOpenBytes(): number;
  nfcStableLength(ptr: number, length: number): number;
  nfcFirstSuspect(ptr: number, length: number): number;
}
type Outcome = { status: 'stable' | 'changed' | 'invalid'; kept: number };

const folder = mkdtempSync(join(tmpdir(), 'kvane-nfc-'));
const encoder = new TextEncoder();
const isNfc = (text: string): boolean => text.normalize('NFC') === text;
/** A combining class other than 0, told by NFD's reordering against the lowest and the highest class. */
const isMark = (c: string): boolean => !`\u0345${c}\u0334`.normalize('NFD').startsWith(`\u0345${c.normalize('NFD')[0]}`);
const everyCharacter = function* (): Generator<string> {
  for (let code = 0; code < 0x110000; code++) if (code < 0xd800 || code > 0xdfff) yield String.fromCodePoint(code);
};
const hangul = (c: string): boolean => c >= '\uac00' && c <= '\ud7a3';
const composed = [...everyCharacter()].filter((c) => c.normalize('NFD') !== c && !hangul(c));
const followers = [...new Set(composed.flatMap((c) => [...c.normalize('NFD')].slice(1)))];
const unified = (c: string): boolean => /\p{Script=Han}/u.test(c); // a thousand of them compose with nothing
const starters = [...new Set(composed.flatMap((c) => [c, ...c.normalize('NFD'), ...c.normalize('NFC')]))].filter((c) => !unified(c));
const joins = (c: string): boolean => isMark(c) || followers.includes(c);
const marks = [...everyCharacter()].filter((c) => /\p{M}/u.test(c));

const alphabets = Object.values({
  latin: 'aeouAEsSzạậéǖșÅĄ\u212a\u212b\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u030a\u030c\u0316\u031b\u0323\u0328\u0331\u0340\u0344',
  greek: 'αηωΑΩιᾳᾂΐΰ\u037e\u0387\u1fef\u0300\u0301\u0308\u0313\u0314\u0342\u0345',
  cyrillic: 'еиіУЙйӑ\u0300\u0306\u0308\u0483\u0487',
  hebrew: 'אבש\u05b0\u05b7\u05bc\u05bf\u05c1\u05c2\u0591\u05ad\ufb1d\ufb2a\ufb31',
  arabic: 'ابهويآؤأ\u0653\u0654\u0655\u064b\u064e\u0651\u0652\u0670\u06d5\u06c1',
  devanagariAndBengali: '\u0915\u0916\u0928\u0930\u0929\u093c\u0958\u093e\u094d\u0951\u0995\u09c7\u09be\u09d7\u09cb\u09bc\u09dc',
  southIndic: '\u0bae\u0bc6\u0bbe\u0bd7\u0bca\u0bcd\u0cbf\u0cd5\u0cc6\u0cc2\u0ccb\u0d46\u0d3e\u0dd9\u0dcf\u0dca\u0ddc\u0ddd',
  thaiAndTibetan: 'กำ\u0e49\u0e34\u0e38\u0e3a\u0f40\u0f71\u0f72\u0f73\u0f74\u0f80\u0f81\u0f69\u0fb5',
  hangul: '한글가각힣\u1100\u1112\u1161\u1175\u11a7\u11a8\u11c2\u1113\u1176\u115f',
  kanaAndHan: 'かがはぱウヴ\u3099\u309a、。漢字\uf900\u{2f800}\u{20000}･',
  emoji: '👍\u{1f3fd}👩\u200d🚀\u2764\ufe0f\u20e3\u{1f1e6}\u{1f1e7}',
  gurungKhemaAndTulu: '\u{1611e}\u{1611f}\u{16120}\u{16121}\u{16126}\u{16129}\u{113c2}\u{113c5}\u{1138b}\u{113b8}',
  plane1: '\u{11099}\u{110ba}\u{1109a}\u{16d67}\u{16d63}\u{1d15e}\u{1d157}\u{1d165}\u{1d16e}',
  balineseAndBurmese: '\u1b05\u1b35\u1b06\u1b3a\u1b44\u1025\u102e\u1026\u1037\u1039',
}).map((characters) => fc.constantFrom(...characters));

const letter = fc.oneof(...alphabets, fc.constantFrom(...starters), fc.constantFrom(...followers), fc.constantFrom(...marks));
const oneScript = fc.oneof(...alphabets.map((alphabet) => fc.array(alphabet, { maxLength: 12 })));
const longPlain = fc.array(
  fc.oneof({ weight: 30, arbitrary: fc.constantFrom(...'plain text é ñ 漢字文章 한국어 Привет “”') }, { weight: 1, arbitrary: letter }),
  { minLength: 30, maxLength: 200 },
);
const text = fc
  .tuple(fc.oneof(oneScript, fc.array(letter, { maxLength: 12 }), longPlain), fc.constantFrom('NFC', 'NFC', 'NFD', undefined))
  .map(([characters, form]) => (form ? characters.join('').normalize(form) : characters.join('')));
const options = { seed: 20240607, numRuns: 20_000 };

beforeAll(() => void execFileSync(process.execPath, ['scripts/nfc-tables.mjs']));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(['release', 'debug'])('%s build', (target) => {
  let nfc: NfcExports;
  let memory: Uint8Array;
  let scratch: Uint8Array;

  beforeAll(async () => {
    const output = join(folder, `${target}.wasm`);
    const asc = 'node_modules/assemblyscript/bin/asc.js';
    execFileSync(process.execPath, [asc, 'assembly/core/prompt/nfc.ts', '--target', target, '--use', 'abort=', '-o', output]);
    const module = await WebAssembly.compile(readFileSync(output));
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    nfc = (await WebAssembly.instantiate(module)).exports as unknown as NfcExports;
    nfc._initialize();
    nfc.memory.grow(1);
    memory = new Uint8Array(nfc.memory.buffer);
    scratch = memory.subarray(-1024);
  });

  /** Runs over pieces, each put at the very end of the memory: a read beyond it traps. */
  function run(pieces: Uint8Array[]): Outcome {
    nfc.nfcReset();
    let before = 0;
    for (const piece of pieces) {
      const ptr = memory.length - piece.length;
      memory.set(piece, ptr);
      const stable = nfc.nfcStableLength(ptr, piece.length);
      const status = (['stable', 'changed', 'invalid'] as const)[nfc.nfcStatus()]!;
      if ((stable === piece.length) !== (status === 'stable')) throw new Error(`${stable} of ${piece.length} bytes, ${status}`);
      if (status !== 'stable') return { status, kept: before + stable - (status === 'changed' ? nfc.nfcOpenBytes() : 0) };
      before += piece.length;
    }
    return { status: 'stable', kept: before };
  }
  const runText = (...pieces: string[]): Outcome => run(pieces.map((piece) => encoder.encode(piece)));
  /** The short way, for millions of texts. */
  const isStable = (whole: string): boolean => {
    const { written } = encoder.encodeInto(whole, scratch);
    nfc.nfcReset();
    return nfc.nfcStableLength(scratch.byteOffset, written) === written;
  };

  /** The outcome against `normalize`: found or not, and where the changed segment begins. */
  function judge(whole: string, { status, kept }: Outcome): void {
    expect(status, JSON.stringify(whole)).toBe(isNfc(whole) ? 'stable' : 'changed');
    if (status === 'stable') return;
    const bytes = Buffer.from(whole);
    const head = bytes.toString('utf8', 0, kept);
    const rest = [...bytes.toString('utf8', kept)];
    expect(head + rest.join('').normalize('NFC'), JSON.stringify(whole)).toBe(whole.normalize('NFC'));
    const length = rest.findIndex((_, i) => !isNfc(rest.slice(0, i + 1).join('')));
    const [start] = rest[length]!.normalize('NFD');
    if (!isNfc(rest[length]!) && !joins(start!)) expect(length, `${JSON.stringify(whole)} kept ${kept}`).toBe(0);
    const segment = rest.slice(1, length);
    expect(
      segment.filter((c) => !isMark(c)),
      `${JSON.stringify(whole)} kept ${kept}`,
    ).toEqual([]);
  }

  test('every character alone', () => {
    const wrong = [];
    for (const c of everyCharacter()) if (isStable(c) !== isNfc(c)) wrong.push(c.codePointAt(0)!.toString(16));
    expect(wrong).toEqual([]);
  });

  test('every starter that composes, before everything that composes or a mark of each kind', () => {
    const wrong: string[] = [];
    const check = (pair: string) => isStable(pair) === isNfc(pair) || wrong.push(pair);
    for (const s of starters) for (const f of followers) check(s + f);
    for (let i = 0; i < starters.length; i += 40) for (const m of marks) check(starters[i]! + m);
    for (const a of starters.filter((s) => s > '\u{11000}')) for (const b of starters) check(a + b);
    expect(wrong).toEqual([]);
  });

  test('marks of every two classes in both orders, on a starter and at the start of the text', () => {
    const wrong: string[] = [];
    for (let i = 0; i < marks.length; i += 7)
      for (let j = 0; j < marks.length; j += 5)
        for (const whole of [marks[i]! + marks[j]!, `漢${marks[i]}${marks[j]}`]) if (isStable(whole) !== isNfc(whole)) wrong.push(whole);
    expect(wrong).toEqual([]);
  });

  test('hangul: conjoining vowels and tails behind every jamo and syllable', () => {
    const wrong: string[] = [];
    for (let code = 0x1100; code < 0x1200; code++)
      for (let next = 0x1100; next < 0x1200; next++)
        if (isStable(String.fromCharCode(code, next)) !== isNfc(String.fromCharCode(code, next))) wrong.push(`${code} ${next}`);
    for (let code = 0xabf0; code < 0xd7b0; code++)
      for (const next of ['\u1161', '\u11a7', '\u11a8', '\u11c2', '\u11c3', '\u0301']) {
        const whole = String.fromCharCode(code) + next;
        if (isStable(whole) !== isNfc(whole)) wrong.push(whole);
      }
    expect(wrong).toEqual([]);
  });

  test.each([
    '❤️👩‍🚀👍🏽',
    'שָׁלוֹם',
    'ٱلْعَرَبِيَّة',
    'हिन्दी क्षेत्र',
    'ภาษาไทย',
    'tiếng Việt',
    '한국어',
    '漢字かなガ',
    '',
    'q\u0323\u0307',
    '\u0301',
    'á\u0316',
  ])('text in NFC passes whole: %j', (whole) =>
    expect([isNfc(whole), runText(whole)]).toEqual([true, { status: 'stable', kept: Buffer.byteLength(whole) }]),
  );

  test.each([
    ['cafe\u0301', 3],
    ['x\u1112\u1161\u11ab', 1],
    ['x\ud558\u11ab', 1],
    ['ab\u212b', 2],
    ['\u0915\u0915\u0958', 6],
    ['\u6f22\uf900', 3],
    ['xq\u0307\u0323', 1],
    ['xâ\u0323', 1],
  ] as const)('text that NFC changes is found at its segment: %j', (whole, kept) => {
    expect([isNfc(whole), runText(whole)]).toEqual([false, { status: 'changed', kept }]);
  });

  test('the starter lay in an earlier piece', () => {
    expect(runText('caf', 'e', '', '\u0316', 'x')).toMatchObject({ status: 'stable' });
    expect(runText('caf', 'e', '', '\u0316', '\u0301x')).toEqual({ status: 'changed', kept: 3 });
    expect(nfc.nfcOpenBytes()).toBe(3);
    expect(runText('\u0316', '\u0301', '\u0316')).toEqual({ status: 'changed', kept: 0 });
    expect(runText('e', '\u212b')).toEqual({ status: 'changed', kept: 1 });
  });

  test('random text in random pieces: stable exactly when equal to its NFC form', () => {
    const seen = { stable: 0, changed: 0, invalid: 0 };
    const property = fc.property(text, fc.array(fc.nat(), { maxLength: 5 }), (whole, cuts) => {
      const characters = [...whole];
      const at = [0, ...cuts.map((cut) => cut % (characters.length + 1)).sort((a, b) => a - b), characters.length];
      const outcome = runText(...at.slice(1).map((end, i) => characters.slice(at[i], end).join('')));
      seen[outcome.status]++;
      judge(whole, outcome);
    });
    fc.assert(property, options);
    expect(Math.min(seen.stable, seen.changed)).toBeGreaterThan(options.numRuns / 5);
  });

  test('invalid UTF-8: no trap, no read beyond the end, and the offset of what is wrong', () => {
    const damage = fc.tuple(
      fc.nat(),
      fc.oneof(fc.constantFrom(0x80, 0xbf, 0xc0, 0xc1, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff, 0x9f, 0xa0), fc.nat(255)),
    );
    const damaged = fc.tuple(text, fc.array(damage, { maxLength: 3 })).map(([whole, places]) => {
      const bytes = encoder.encode(whole);
      for (const [place, byte] of places) if (bytes.length) bytes[place % bytes.length] = byte;
      return bytes;
    });
    const seen = { stable: 0, changed: 0, invalid: 0 };
    const property = fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      const decoded = Buffer.from(bytes).toString('utf8');
      const bad = decoded.indexOf('\ufffd');
      const valid = bad < 0 ? decoded : decoded.slice(0, bad);
      const outcome = run([bytes]);
      seen[outcome.status]++;
      if (bad < 0 || !isNfc(valid)) judge(valid, outcome);
      else expect(outcome).toEqual({ status: 'invalid', kept: Buffer.byteLength(valid) });
    });
    fc.assert(property, options);
    expect(seen.invalid).toBeGreaterThan(options.numRuns / 4);
  });

  test('a character cut in two is handed in again whole', () => {
    const bytes = encoder.encode('tiếng 漢字👍 e\u0316');
    const changing = encoder.encode('\u0301');
    for (let cut = 0; cut <= bytes.length; cut++) {
      nfc.nfcReset();
      memory.set(bytes, 60_000 + memory.length - (1 << 16));
      const ptr = 60_000 + memory.length - (1 << 16);
      const first = nfc.nfcStableLength(ptr, cut);
      expect(nfc.nfcStableLength(ptr + first, bytes.length - first)).toBe(bytes.length - first);
      memory.set(changing, ptr);
      expect([nfc.nfcStableLength(ptr, 2), nfc.nfcStatus(), nfc.nfcOpenBytes()]).toEqual([0, 1, 3]);
    }
  });

  test('first suspect: a byte from 0xCC on, at any place', () => {
    for (let length = 0; length < 200; length++)
      for (const place of [0, 1, length >> 1, length - 2, length - 1, length]) {
        const ptr = memory.length - length;
        memory.fill(0xcb, ptr);
        if (place >= 0 && place < length) memory[ptr + place] = 0xcc;
        expect(nfc.nfcFirstSuspect(ptr, length)).toBe(place >= 0 && place < length ? place : length);
      }
  });
});
