/** Why a request, or the rest of one, earns no cache credit. Names for metrics and logs: `reasonName`. */
export const enum Reason {
  /** The whole prompt is known. */
  Covered,
  /** Left alone: not a path, method or body that we read. */
  Path,
  Encoding,
  /** No summary yet, one that is too old, or switched off. */
  NoSummary,
  Stale,
  Disabled,
  /** Not one JSON object, cut off, or one that we do not follow. */
  Json,
  /** Decided before the body was complete: bound, arena or watchdog. */
  Early,
  /** Half a surrogate pair: the engine refuses it. */
  Surrogate,
  Model,
  Tools,
  /** Template arguments that no program was learned for. */
  Variant,
  /** Options under which the engine does not read its prefix cache, or sees another prompt. */
  Options,
  /** A prompt that is no string. */
  PromptType,
  /** No render program for chats of this pool. */
  NoProgram,
  /** Keeps the credit of what stands before: a role order that was not learned. */
  RoleOrder,
  /** Keeps the credit so far: content parts, media, or a message with members that the program does not know. */
  Message,
  /** Keeps the credit so far: text that a content function does not cover. */
  Content,
  /** Keeps the credit so far: NFC would change the text here. */
  Nfc,
  /** Keeps the credit so far: longer than we follow. */
  Length,
  Count,
}

export const REASONS: i32 = <i32>Reason.Count;

/** Name of a reason, as metrics and logs show it. */
export function reasonName(reason: Reason): string {
  switch (reason) {
    case Reason.Covered:
      return 'covered';
    case Reason.Path:
      return 'path';
    case Reason.Encoding:
      return 'encoding';
    case Reason.NoSummary:
      return 'no_summary';
    case Reason.Stale:
      return 'stale';
    case Reason.Disabled:
      return 'disabled';
    case Reason.Json:
      return 'json';
    case Reason.Early:
      return 'early';
    case Reason.Surrogate:
      return 'surrogate';
    case Reason.Model:
      return 'model';
    case Reason.Tools:
      return 'tools';
    case Reason.Variant:
      return 'variant';
    case Reason.Options:
      return 'options';
    case Reason.PromptType:
      return 'prompt_type';
    case Reason.NoProgram:
      return 'no_program';
    case Reason.RoleOrder:
      return 'role_order';
    case Reason.Message:
      return 'message';
    case Reason.Content:
      return 'content';
    case Reason.Nfc:
      return 'nfc';
    case Reason.Length:
      return 'length';
  }
  return 'unknown';
}
