// What of a tokenizer.json matters for turning ids back into bytes, and why a tokenizer may be refused.
// Source: the `tokenizers` library's JSON; facts on vLLM, section 10.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, KvaneError } from '../errors.js';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
}

/** A normalizer, pre-tokenizer or post-processor; `type` tells which fields there are. */
export interface Step {
  readonly type: string;
  readonly behavior?: string;
  readonly add_prefix_space?: boolean;
  readonly normalizers?: readonly Step[];
  readonly pretokenizers?: readonly Step[];
  readonly processors?: readonly Step[];
  readonly single?: readonly { readonly SpecialToken?: { readonly id: string }; readonly Sequence?: object }[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>;
}

export interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: Step | null;
  readonly pre_tokenizer?: Step | null;
  readonly post_processor?: Step | null;
  readonly decoder?: Step | null;
  readonly model: {
    readonly type?: string;
    readonly vocab: Readonly<Record<string, number>>;
    readonly byte_fallback?: boolean;
    readonly continuing_subword_prefix?: string | null;
    readonly end_of_word_suffix?: string | null;
  };
}

/** The part of tokenizer_config.json that the fast tokenizer overrides its post-processor with. */
export interface TokenizerConfig {
  readonly add_bos_token?: boolean;
  readonly bos_token?: string | { readonly content: string } | null;
  readonly chat_template?: string;
}

export interface TokenizerFiles {
  readonly path: string;
  readonly tokenizer: TokenizerJson;
  readonly config: TokenizerConfig | undefined;
}

export const unsupported = (path: string, reason: string): KvaneError =>
  new KvaneError('tokenizer.unsupported', `${path}: ${reason}`, { fields: { file: path, reason } });

/** Reads `tokenizer.json`, given itself or its folder, and `tokenizer_config.json` beside it when there is one. */
export function readTokenizerFiles(path: string): TokenizerFiles {
  const folder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
  const file = folder ? join(path, 'tokenizer.json') : path;
  const tokenizer = readJson(file) as TokenizerJson;
  if (typeof tokenizer?.model?.vocab !== 'object' || tokenizer.model.vocab === null) throw unsupported(file, 'has no model.vocab');
  const configFile = join(file, '..', 'tokenizer_config.json');
  const config = statSync(configFile, { throwIfNoEntry: false }) ? (readJson(configFile) as TokenizerConfig) : undefined;
  return { path: file, tokenizer, config };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new KvaneError('tokenizer.unreadable', `${file}: ${describe(cause)}`, { cause, fields: { file } });
  }
}

/** Steps of a possibly nested sequence, in order. */
export function stepsOf(step: Step | null | undefined): readonly Step[] {
  if (!step) return [];
  if (step.type !== 'Sequence') return [step];
  return (step.normalizers ?? step.pretokenizers ?? step.processors ?? []).flatMap(stepsOf);
}

const KEEPING_PRE_TOKENIZERS = new Set(['ByteLevel', 'Split', 'Digits', 'Punctuation', 'UnicodeScripts']);

/** Throws when ids of this tokenizer do not stand for exact bytes of the (NFC) text. Returns whether it normalises to NFC. */
export function checkInvertible(path: string, tokenizer: TokenizerJson): { nfc: boolean } {
  const { model } = tokenizer;
  const refuse = (reason: string): never => {
    throw unsupported(path, `${reason}: ids cannot be turned back into exact bytes`);
  };
  if ((model.type ?? 'BPE') !== 'BPE') refuse(`model type ${model.type} is not byte-level BPE`);
  if (model.byte_fallback) refuse('byte fallback (SentencePiece) is not byte-level BPE');
  if (model.continuing_subword_prefix || model.end_of_word_suffix) refuse('subword prefix or suffix');
  const splitters = stepsOf(tokenizer.pre_tokenizer);
  if (!splitters.some((step) => step.type === 'ByteLevel')) refuse('no ByteLevel pre-tokenizer');
  for (const step of splitters) {
    if (!KEEPING_PRE_TOKENIZERS.has(step.type)) refuse(`pre-tokenizer ${step.type}`);
    if (step.behavior === 'Removed') refuse(`pre-tokenizer ${step.type} removes text`);
    if (step.add_prefix_space) refuse('add_prefix_space');
  }
  let nfc = false;
  for (const step of stepsOf(tokenizer.normalizer)) {
    if (step.type !== 'NFC') refuse(`normalizer ${step.type}`);
    nfc = true;
  }
  for (const token of tokenizer.added_tokens ?? []) {
    if (token.lstrip || token.rstrip) refuse(`added token ${token.content} swallows white space around it`);
    if (nfc && token.content.normalize('NFC') !== token.content) refuse(`added token ${token.id} is not in NFC`);
  }
  return { nfc };
}
