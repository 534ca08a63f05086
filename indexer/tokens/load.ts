// tokenizer.json → id→bytes table.
import { bytesOfTokenInto } from './byte-map.js';
import type { TokenTable } from './table.js';
import { checkInvertible, readTokenizerFiles, stepsOf, type TokenizerFiles, unsupported } from './tokenizer-file.js';

/** Ids above this are a broken file (or events of a tokenizer that has no bytes, facts section 7). */
const SIZE_MAX = 1 << 22;
/** Vocabulary entries outside the byte alphabet that are tolerated as ids without a text: leftovers, never produced from text. */
const STRANGE_SHARE_MAX = 0.001;

/** Loads a tokenizer file or folder. Throws `tokenizer.unreadable` or `tokenizer.unsupported`, with the file and the reason. */
export function loadTokenTable(path: string): TokenTable {
  return tokenTable(readTokenizerFiles(path));
}

export function tokenTable(files: TokenizerFiles): TokenTable {
  const { path, tokenizer } = files;
  const { nfc } = checkInvertible(path, tokenizer);
  const added = new Map((tokenizer.added_tokens ?? []).map((token) => [token.id, Buffer.from(token.content, 'utf8')]));
  const vocab = Object.entries(tokenizer.model.vocab);
  const size = [...vocab.map(([, id]) => id), ...added.keys()].reduce((largest, id) => Math.max(largest, id), -1) + 1;
  if (size === 0 || size > SIZE_MAX) throw unsupported(path, `${size} token ids`);

  const texts = new Array<string | undefined>(size);
  for (const [token, id] of vocab) {
    if (!Number.isInteger(id) || id < 0) throw unsupported(path, `token ${JSON.stringify(token)} has id ${id}`);
    texts[id] = token;
  }
  const room = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0) + [...added.values()].reduce((sum, b) => sum + b.length, 0);
  const bytes = new Uint8Array(room);
  const offsets = new Uint32Array(size + 1);
  const unknown = new Set<number>();
  let strange = 0;
  let at = 0;
  for (let id = 0; id < size; id++) {
    offsets[id] = at;
    const special = added.get(id);
    if (special) {
      bytes.set(special, at);
      at += special.length;
      continue;
    }
    const text = texts[id];
    const length = text === undefined ? -1 : bytesOfTokenInto(text, bytes, at);
    if (length > 0) at += length;
    else unknown.add(id);
    if (length < 0 && text !== undefined) strange++;
  }
  offsets[size] = at;
  if (strange > vocab.length * STRANGE_SHARE_MAX)
    throw unsupported(path, `${strange} of ${vocab.length} tokens are outside the byte alphabet`);
  const table = { size, bytes: bytes.slice(0, at), offsets, unknown, nfc };
  return { ...table, completionPrefix: completionPrefix(files, table) };
}

/** BOS text before a completion: from the post-processor's template, else from `add_bos_token`. */
function completionPrefix(files: TokenizerFiles, table: Omit<TokenTable, 'completionPrefix'>): Uint8Array {
  for (const step of stepsOf(files.tokenizer.post_processor)) {
    if (step.type !== 'TemplateProcessing') continue;
    const parts: Uint8Array[] = [];
    for (const piece of step.single ?? []) {
      if (!piece.SpecialToken) break;
      const ids = step.special_tokens?.[piece.SpecialToken.id]?.ids;
      if (!ids) throw unsupported(files.path, `post-processor names ${piece.SpecialToken.id} without its ids`);
      parts.push(bytesOfIds({ ...table, completionPrefix: new Uint8Array() }, ids));
    }
    return Buffer.concat(parts);
  }
  const bos = files.config?.add_bos_token === true ? files.config.bos_token : undefined;
  return Buffer.from(typeof bos === 'string' ? bos : (bos?.content ?? ''), 'utf8');
}

/** The text that token ids stand for. Throws RangeError at an id without a text. */
export function bytesOfIds(table: TokenTable, ids: readonly number[]): Uint8Array {
  let length = 0;
  for (const id of ids) {
    if (!(id >= 0 && id < table.size) || table.unknown.has(id)) throw new RangeError(`token id ${id} has no text`);
    length += table.offsets[id + 1]! - table.offsets[id]!;
  }
  const text = new Uint8Array(length);
  let at = 0;
  for (const id of ids) {
    const piece = table.bytes.subarray(table.offsets[id]!, table.offsets[id + 1]!);
    text.set(piece, at);
    at += piece.length;
  }
  return text;
}
