// What the demo prints: headings, facts, tables and one line of progress, at most 100 columns, colours only on a terminal.

const WIDTH = 98;
const terminal = process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
const PROGRESS_EVERY_MS = terminal ? 100 : 5000;

const paint = (code: string) => (text: string) => (terminal ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = paint('1');
export const dim = paint('2');
export const green = paint('32');
export const red = paint('31');

let progressAt = 0;
let progressOpen = false;

function print(line = ''): void {
  clearProgress();
  process.stdout.write(`${line}\n`);
}

export function heading(number: number, title: string): void {
  const rule = '─'.repeat(Math.max(0, WIDTH - title.length - 4));
  print();
  print(`${bold(`${number}  ${title}`)} ${dim(rule)}`);
}

/** Running text, wrapped and indented. */
export function text(paragraph: string): void {
  let line = '  ';
  for (const word of paragraph.split(/\s+/)) {
    if (line.length + word.length > WIDTH) {
      print(line.trimEnd());
      line = '  ';
    }
    line += ` ${word}`;
  }
  print(line.trimEnd());
}

export const blank = (): void => print();

/** A line as it is, indented. */
export const line = (content: string): void => print(`   ${content}`);

/** Something that is now there. */
export function done(what: string, detail: string): void {
  print(`   ${green('✓')} ${what.padEnd(17)} ${dim(detail)}`);
}

export const failure = (what: string): void => print(`   ${red('✗')} ${what}`);

/** Columns as wide as what stands in them; a column whose heading begins with '>' is set to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], strong: (row: number) => boolean = () => false): void {
  const names = head.map((name) => name.replace(/^>/, ''));
  const widths = names.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? '').length)));
  const set = (cells: readonly string[]): string =>
    cells.map((cell, i) => (head[i]!.startsWith('>') ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('   ');
  line(dim(set(names).trimEnd()));
  for (const [i, row] of rows.entries()) line(strong(i) ? bold(set(row).trimEnd()) : set(row).trimEnd());
}

/** A bar with what happens now: rewritten in place on a terminal, a line now and then elsewhere. */
export function progress(label: string, share: number, detail: string, last = false): void {
  const now = Date.now();
  if (!last && now < progressAt + PROGRESS_EVERY_MS) return;
  progressAt = now;
  const filled = Math.round(Math.min(1, share) * 24);
  const bar = `${'█'.repeat(filled)}${dim('░'.repeat(24 - filled))}`;
  const content = `   ${label.padEnd(14)} ${bar} ${detail}`;
  if (!terminal) return void process.stdout.write(`${content}\n`);
  process.stdout.write(`\r\u001b[K${content}`);
  progressOpen = !last;
  if (last) process.stdout.write('\n');
}

function clearProgress(): void {
  if (progressOpen) process.stdout.write('\n');
  progressOpen = false;
}
