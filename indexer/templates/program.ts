/** Roles as format.ts numbers them. `end` is what follows the last message; `begin` precedes the first. */
export type Role = 'begin' | 'system' | 'user' | 'assistant' | 'tool' | 'developer' | 'end';

/** One learned place in a chat: what stands before a message's content, and what the template does to the content. */
export interface ProgramEntry {
  /** The first message of the chat is a system message. */
  readonly system: boolean;
  readonly previous: Role;
  readonly role: Role;
  /** The message stands behind the last user message; of an `end` entry: the last message does. */
  readonly afterUser: boolean;
  /** The message is the last one; always true for an `end` entry. */
  readonly last: boolean;
  readonly literal: Uint8Array;
  /** One of the CONTENT_ constants of format.ts; CONTENT_IDENTITY for an `end` entry. */
  readonly content: number;
}

/** A chat template of one model and one set of template arguments, solved into a table. Source: DESIGN section 5.4, format.ts. */
export interface RenderProgram {
  /** Canonical JSON of the template arguments; `{}` is the default. */
  readonly variant: string;
  readonly nfc: boolean;
  /** False: only completions can be rendered (no entries). */
  readonly chat: boolean;
  readonly completionPrefix: Uint8Array;
  readonly entries: readonly ProgramEntry[];
}
