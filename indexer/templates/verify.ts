// Third step of learning: a program must say, byte by byte, what the engine renders.
import type { ChatMessage, Place } from './chat.js';
import { keyOf, placesOf } from './chat.js';
import { applyContent } from './content.js';
import { entriesByKey, executeChat } from './execute.js';
import type { RenderProgram } from './program.js';

/** A chat and what the engine made of it. */
export interface Truth {
  readonly messages: readonly ChatMessage[];
  readonly bytes: Uint8Array;
}

export interface Mismatch {
  readonly truth: Truth;
  /** Where program and engine part. */
  readonly place: Place;
  /** The program did not cover the whole chat, and what it gave was no prefix of the truth. */
  readonly partial: boolean;
}

/** Compares a program with the truth; undefined when they agree (up to where the program stops, if it does). */
export function compare(program: RenderProgram, truth: Truth): Mismatch | undefined {
  const { bytes, reason } = executeChat(program, truth.messages);
  const partial = reason !== undefined;
  const length = partial ? bytes.length : Math.max(bytes.length, truth.bytes.length);
  let same = 0;
  while (same < length && bytes[same] === truth.bytes[same]) same++;
  return same === length ? undefined : { truth, partial, place: placeAt(program, truth.messages, same) };
}

/** The place whose literal or content has the byte at `offset`. */
function placeAt(program: RenderProgram, messages: readonly ChatMessage[], offset: number): Place {
  const entries = entriesByKey(program.entries);
  const places = placesOf(messages.map(({ role }) => role));
  let at = 0;
  for (const [i, place] of places.entries()) {
    const entry = entries.get(keyOf(place));
    if (!entry) return place;
    const content = applyContent(entry.content, messages[i]?.content ?? '') ?? '';
    at += entry.literal.length + Buffer.byteLength(content);
    if (offset < at) return place;
  }
  return places.at(-1)!;
}
