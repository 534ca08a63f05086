// Chats repeat their history and share system prompts, and encoding is what costs most (0.4 ms/KB). A text is cut at the tokens that
// begin and end a turn; the pieces are encoded on their own and remembered. This is exact: the tokenizer cuts its input at special
// tokens before it normalises, so no piece can influence another.
import type { Encode } from './tokenizer.js';

const TURN = /(<\|im_start\|>|<\|im_end\|>)/;
const MOST_IDS = 4_000_000;

export function encodeByTurns(encode: Encode): Encode {
  const known = new Map<string, Promise<number[]>>();
  let ids = 0;

  const piece = (text: string): Promise<number[]> => {
    let encoded = known.get(text);
    if (encoded === undefined) {
      encoded = encode(text).then((result) => {
        ids += result.length;
        return result;
      });
    } else known.delete(text);
    known.set(text, encoded);
    return encoded;
  };

  const trim = async (): Promise<void> => {
    for (const [text, encoded] of known) {
      if (ids <= MOST_IDS) return;
      known.delete(text);
      ids -= (await encoded).length;
    }
  };

  return async (text) => {
    const pieces = await Promise.all(text.split(TURN).flatMap((part) => (part === '' ? [] : [piece(part)])));
    if (ids > MOST_IDS) await trim();
    return pieces.length === 1 ? pieces[0]!.slice() : pieces.flat();
  };
}
