// Makes assembly/core/prompt/nfc-data.ts: what NFC does to neighbouring characters, asked of the running Node's
// String.prototype.normalize alone (no Unicode data files), so tables and test oracle are of one Unicode version.
//   node scripts/nfc-tables.mjs [output.ts]
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(import.meta.url);
const PAGE = 64; // code points: the last UTF-8 byte's six bits, so a page is named by the bytes before it
const LOWEST_MARK = '\u0334'; // canonical combining class 1
const HIGHEST_MARK = '\u0345'; // canonical combining class 240
const HANGUL_VOWEL = 0xfe;
const HANGUL_TAIL = 0xff;
const NO = 1;
const NO_ALONE = 2;

const char = (code) => String.fromCodePoint(code);
const nfc = (text) => text.normalize('NFC');
const nfd = (text) => text.normalize('NFD');
const changed = (text) => nfc(text) !== text;
const isHangul = (text) => /^[\u1100-\u1112\u1161-\u1175\u11a8-\u11c2\uac00-\ud7a3]$/.test(text);
/** True for a combining class other than 0: such a mark trades places with the lowest or the highest one. */
const isMark = (c) => nfd(HIGHEST_MARK + c) !== HIGHEST_MARK + c || nfd(c + LOWEST_MARK) !== c + LOWEST_MARK;

/** Sorts the characters that normalisation knows: not in NFC at all, composed, marks. Whole pages are asked first. */
function survey() {
  const found = { refused: [], composed: [], marks: [] };
  for (let first = 0; first < 0x110000; first += PAGE) {
    if (first >= 0xd800 && first < 0xe000) continue;
    const page = Array.from({ length: PAGE }, (_, i) => char(first + i));
    const probe = `${page.join('\n')}\n${page.map((c) => HIGHEST_MARK + c + LOWEST_MARK).join('\n')}`;
    if (nfd(probe) === probe) continue;
    for (const c of page) {
      if (changed(c)) found.refused.push(c);
      else if (nfd(c) !== c) found.composed.push(c);
      else if (isMark(c)) found.marks.push(c);
    }
  }
  return found;
}

/** Combining classes as ranks from 1: two marks of one class keep their order, others are sorted by NFD. */
function rankMarks(marks) {
  const classes = []; // lists of marks, lowest class first
  const swaps = (a, b) => nfd(a + b) !== a + b;
  for (const mark of marks) {
    let low = 0;
    let high = classes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (swaps(mark, classes[middle][0])) low = middle + 1;
      else high = middle;
    }
    const sameClass = low < classes.length && !swaps(classes[low][0], mark);
    if (sameClass) classes[low].push(mark);
    else classes.splice(low, 0, [mark]);
  }
  return new Map(classes.flatMap((list, rank) => list.map((mark) => [mark, rank + 1])));
}

/**
 * For every starter the followers that would change it: characters that can be the later part of a composition, or whose
 * decomposition begins with one. (starter, follower) pairs, in place of primary pairs, make the check in nfc.ts exact:
 *   - U+00E2 U+0323 is no primary pair, but NFC makes U+1EAD of it. In canonical order a mark of class k meets the starter composed
 *     of its own marks up to class k; which one that is depends on the starter alone.
 *   - An unblocked follower that composes takes a place that the starter's own marks or the text had: the result differs. One
 *     that does not compose leaves the starter's later marks, of higher class, unblocked: the starter comes back as it was.
 *   - Once two starters stand side by side unchanged, the first is out of reach: a longer run is as stable as its pairs.
 */
function compositions(composed) {
  const candidates = new Set(composed.flatMap((c) => [...nfd(c)].slice(1)));
  for (const c of composed) if (candidates.has([...nfd(c)][0])) candidates.add(c);
  const starters = new Set(composed.flatMap((c) => [c, [...nfd(c)][0]]));
  const affected = new Map([...starters].map((s) => [s, [...candidates].filter((c) => changed(s + c))]));
  const followers = [...new Set([...affected.values()].flat())];
  return { affected, followers };
}

/** Packs bytes as little-endian u64 literals: an eighth of the tokens for asc to parse. */
function literal(name, comment, bytes) {
  const padded = Buffer.concat([Buffer.from(bytes), Buffer.alloc(-bytes.length & 7)]);
  const words = Array.from({ length: padded.length / 8 }, (_, i) => `0x${padded.readBigUInt64LE(i * 8).toString(16)}`);
  return `/** ${comment} (${padded.length} bytes) */\nexport const ${name}: usize = memory.data<u64>([${words.join(',')}], 16);\n`;
}

function tables() {
  const { refused, composed, marks } = survey();
  const ranks = rankMarks(marks);
  const { affected, followers } = compositions(composed.filter((c) => !isHangul(c)));
  const maybe = new Map(followers.map((c, i) => [c, i + 1]));
  for (let code = 0x1161; code <= 0x1175; code++) maybe.set(char(code), HANGUL_VOWEL);
  for (let code = 0x11a8; code <= 0x11c2; code++) maybe.set(char(code), HANGUL_TAIL);

  const rowBytes = (followers.length >> 3) + 1;
  const rows = new Map([[Buffer.alloc(rowBytes).toString('hex'), 0]]);
  const idOf = (map, key) => {
    if (!map.has(key)) map.set(key, map.size);
    return map.get(key);
  };
  const rowOf = (c) => {
    const row = Buffer.alloc(rowBytes);
    for (const follower of affected.get(c) ?? []) row[maybe.get(follower) >> 3] |= 1 << (maybe.get(follower) & 7);
    return idOf(rows, row.toString('hex'));
  };

  // A record: rank, follower, row, flags. Starters that nothing in front of them can change come first.
  const flagsOf = (c) => {
    const [start] = nfd(c);
    return isMark(start) || maybe.has(start) ? NO : NO | NO_ALONE;
  };
  const known = new Map();
  for (const c of new Set([...affected.keys(), ...marks, ...maybe.keys()]))
    known.set(c, [ranks.get(c) ?? 0, maybe.get(c) ?? 0, rowOf(c), 0]);
  for (const c of refused) known.set(c, [0, 0, 0, flagsOf(c)]);
  const records = new Map([['0,0,0,0', 0]]);
  const isSuspect = ([rank, follower, , flags]) => rank + follower + flags > 0;
  for (const record of known.values()) if (!isSuspect(record)) idOf(records, `${record}`);
  const firstSuspect = records.size;
  for (const record of known.values()) idOf(records, `${record}`);
  const idAt = (code) => records.get(`${known.get(char(code)) ?? [0, 0, 0, 0]}`);

  const last = Math.max(...[...known.keys()].map((c) => c.codePointAt(0)));
  const pages = Array.from({ length: Math.floor(last / PAGE) + 1 }, (_, p) => Array.from({ length: PAGE }, (_, i) => idAt(p * PAGE + i)));
  const leaves = new Map([[`${Array(PAGE).fill(0)}`, 0]]);
  const pageIds = pages.map((page) => idOf(leaves, `${page}`));

  const plainLeads = new Uint8Array(48).fill(0xff); // lead bytes 0xC0 to 0xEF
  for (const lead of [0xc0, 0xc1, 0xe0, 0xed]) plainLeads[lead - 0xc0] = 0; // not every byte after these makes a character
  for (const [c, record] of known) if (isSuspect(record)) plainLeads[Buffer.from(c)[0] - 0xc0] = 0;

  const sizes = { rows: rows.size, leaves: leaves.size, followers: followers.length + 3 };
  for (const [what, size] of Object.entries(sizes)) if (size > 256) throw new Error(`NFC tables: ${size} ${what} do not fit a byte`);
  return { pageIds, leaves, records, rows, rowBytes, firstSuspect, plainLeads };
}

/** Text of the AssemblyScript module. */
function source(stamp) {
  const { pageIds, leaves, records, rows, rowBytes, firstSuspect, plainLeads } = tables();
  const numbers = (map) => [...map.keys()].flatMap((key) => key.split(',').map(Number));
  return [
    `// ${stamp}\n// Generated by scripts/nfc-tables.mjs; the layout is drawn in nfc.ts. Do not edit.\n`,
    `/** Pages in PAGES; code points above are plain. */\nexport const PAGE_COUNT: u32 = ${pageIds.length};\n`,
    `/** Record ids from here on belong to suspects. */\nexport const FIRST_SUSPECT: u32 = ${firstSuspect};\n`,
    `export const ROW_BYTES: usize = ${rowBytes};\n`,
    literal('PAGES', 'leaf of each page of 64 code points', pageIds),
    literal('LEAVES', 'u16 record id of each code point of a page', Buffer.from(Uint16Array.from(numbers(leaves)).buffer)),
    literal('RECORDS', 'rank, follower, row, flags', numbers(records)),
    literal('ROWS', 'bit f: follower f changes this starter', Buffer.from([...rows.keys()].join(''), 'hex')),
    literal('PLAIN_LEADS', '0xff for the lead bytes 0xC0 to 0xEF without suspects', plainLeads),
  ].join('\n');
}

/** Writes the tables to `outputPath`; leaves a file alone that this script made on this Unicode version, or that would not change. */
export function writeNfcTables(outputPath) {
  const script = createHash('sha256').update(readFileSync(here)).digest('hex').slice(0, 16);
  const stamp = `Unicode ${process.versions.unicode}, ICU ${process.versions.icu}, script ${script}`;
  let present = '';
  try {
    present = readFileSync(outputPath, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (present.startsWith(`// ${stamp}\n`)) return;
  mkdirSync(dirname(outputPath), { recursive: true });
  const draft = `${outputPath}.${process.pid}`; // a compiler may be reading the file
  writeFileSync(draft, source(stamp));
  renameSync(draft, outputPath);
}

if (process.argv[1] === here) writeNfcTables(process.argv[2] ?? join(dirname(here), '../assembly/core/prompt/nfc-data.ts'));
