/** Everything that can go wrong in the indexer. Decide by code, never by the text of a message. */
export type ErrorCode =
  | 'config.unreadable'
  | 'config.invalid'
  | 'tokenizer.unreadable'
  | 'tokenizer.unsupported'
  | 'engine.unreachable'
  | 'engine.status'
  | 'engine.answer'
  | 'render.disabled'
  | 'render.refused'
  | 'template.unlearnable'
  | 'events.bind'
  | 'replay.timeout'
  | 'replay.socket'
  | 'request.invalid'
  | 'request.too-large'
  | 'request.unauthorized'
  | 'request.not-found';

export type ErrorFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The one error class: `message` says what, where and what to do; `fields` are for logs. */
export class KvaneError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; fields?: ErrorFields } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KvaneError';
    this.code = code;
    this.fields = options.fields ?? {};
  }
}

export const isKvaneError = (error: unknown, code?: ErrorCode): error is KvaneError =>
  error instanceof KvaneError && (code === undefined || error.code === code);

/** Text of anything thrown, with its causes. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  return error.cause === undefined ? own : `${own} (${describe(error.cause)})`;
}
