/**
 * What every token id stands for, as bytes: token `id` is `bytes.subarray(offsets[id], offsets[id + 1])`. An id without a text
 * (unused slot) has length 0 and is listed in `unknown`, so that events that carry it are dropped instead of misread.
 */
export interface TokenTable {
  /** Number of ids; `offsets` has one entry more. */
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly unknown: ReadonlySet<number>;
  /** The tokenizer normalises its input to NFC before it splits. */
  readonly nfc: boolean;
  /** Text that the tokenizer puts before a completion prompt (BOS), as bytes; empty when there is none. */
  readonly completionPrefix: Uint8Array;
}
