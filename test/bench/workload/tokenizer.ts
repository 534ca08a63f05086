// Text → Qwen3 token ids whose bytes are the text. Cut as the tokenizer cuts, then longest match instead of BPE merges: for common
// words the same ids, and what the index sees, the bytes, is the same for any cut. Hundreds of times faster, which is what the
// benchmark's dozens of megabytes need.
import { loadTokenTable } from '../../../indexer/tokens/load.js';
import type { TokenTable } from '../../../indexer/tokens/table.js';
import { QWEN3_FOLDER } from '../paths.js';

export interface BenchTokenizer {
  readonly table: TokenTable;
  encode(text: string): number[];
  /** Common words with a space before them, most common first (low ids were merged first). */
  readonly words: readonly string[];
}

const PIECES = /<\|[a-z_]+\|>| ?\p{L}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\p{N}|\s*[\r\n]+|\s+/gu;
const LONGEST = 32;
const WORDS = 4000;

function makeTokenizer(): BenchTokenizer {
  const table = loadTokenTable(QWEN3_FOLDER);
  const bytes = Buffer.from(table.bytes.buffer, table.bytes.byteOffset, table.bytes.byteLength);
  const ids = new Map<string, number>();
  const words: string[] = [];
  for (let id = 0; id < table.size; id++) {
    const token = bytes.toString('latin1', table.offsets[id], table.offsets[id + 1]);
    if (token === '' || table.unknown.has(id)) continue;
    ids.set(token, id);
    if (words.length < WORDS && /^ [a-z]{3,}$/.test(token)) words.push(token);
  }
  const cache = new Map<string, readonly number[]>();

  const encodePiece = (piece: string): readonly number[] => {
    const text = Buffer.from(piece, 'utf8').toString('latin1');
    const found: number[] = [];
    for (let at = 0; at < text.length; ) {
      let length = Math.min(LONGEST, text.length - at);
      while (!ids.has(text.substring(at, at + length))) length--;
      found.push(ids.get(text.substring(at, at + length))!);
      at += length;
    }
    return found;
  };

  return {
    table,
    words,
    encode(text) {
      const all: number[] = [];
      for (const [piece] of text.matchAll(PIECES)) {
        let found = cache.get(piece);
        if (!found) {
          found = encodePiece(piece);
          if (piece.length < 24) cache.set(piece, found);
        }
        for (const id of found) all.push(id);
      }
      return all;
    },
  };
}

let made: BenchTokenizer | undefined;

export function benchTokenizer(): BenchTokenizer {
  return (made ??= makeTokenizer());
}
