// What the engine "says": pseudo-random common words, the same for the same prompt. Each token is a space and a word, so the text
// tokenises back to the very ids that were sampled: answers sent back as history hit, as with most real text.
import type { Tokenizer } from './tokenizer.js';

const WORDS = 4096;

/** Ids of words that stay one token wherever they stand between other such words. */
async function findWords(tokenizer: Tokenizer): Promise<number[]> {
  const candidates: { id: number; text: string }[] = [];
  for (let id = 0; id < tokenizer.vocabularySize && candidates.length < WORDS; id++) {
    const text = Buffer.from(tokenizer.decodeBytes([id])).toString('latin1');
    if (/^ [a-z]{3,10}$/.test(text)) candidates.push({ id, text });
  }
  const ids = await tokenizer.encode(candidates.map((word) => word.text).join(''));
  const kept: number[] = [];
  let at = 0;
  for (const { id, text } of candidates) {
    if (ids[at] === id) {
      kept.push(id);
      at++;
    } else {
      for (let length = 0; length < text.length; at++) length += tokenizer.decodeBytes([ids[at]!]).length;
    }
  }
  return kept;
}

const found = new WeakMap<Tokenizer, Promise<number[]>>();

export type Sample = (index: number) => number;

/** A source of samplers; one list of words per tokenizer. */
export async function loadSampler(tokenizer: Tokenizer): Promise<(promptIds: readonly number[], choice: number) => Sample> {
  let words = found.get(tokenizer);
  if (words === undefined) found.set(tokenizer, (words = findWords(tokenizer)));
  const ids = await words;
  return (promptIds, choice) => {
    const seed = seedOf(promptIds, choice);
    return (index) => ids[mix(seed, index) % ids.length]!;
  };
}

function seedOf(promptIds: readonly number[], choice: number): number {
  let seed = 0x811c9dc5 ^ choice ^ promptIds.length;
  for (let i = Math.max(0, promptIds.length - 256); i < promptIds.length; i++) seed = Math.imul(seed ^ promptIds[i]!, 0x01000193);
  return seed >>> 0;
}

function mix(seed: number, index: number): number {
  let x = seed + Math.imul(index + 1, 0x9e3779b9);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
