/** What went wrong, for tests that expect it. */
export type HostErrorCode =
  /** Envoy would not load the module. */
  | 'MODULE'
  /** The module refused its configuration, or trapped over it. */
  | 'CONFIGURATION'
  /** The module did what a real host forbids, ignores, or dies of. */
  | 'VIOLATION'
  /** The test asked for something impossible. */
  | 'USAGE';

export class HostError extends Error {
  constructor(
    readonly code: HostErrorCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = 'HostError';
  }
}
