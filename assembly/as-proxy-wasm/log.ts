import * as env from './env';
import { OUT_WORD } from './memory';
import { Status } from './status';
import { LogLevel } from './types';

/** Whether the proxy would print a message of that level. Ask before a message is built: asking costs one cheap host call. */
export function logEnabled(level: LogLevel): bool {
  return env.proxy_get_log_level(OUT_WORD) === Status.Ok && <u32>level >= load<u32>(OUT_WORD);
}

/** Prints UTF-8 bytes. Allowed always, even while the module starts. */
export function logBytes(level: LogLevel, ptr: usize, length: usize): void {
  env.proxy_log(level, ptr, length);
}

/** Prints a string; allocates. */
export function log(level: LogLevel, message: string): void {
  const bytes = String.UTF8.encode(message);
  env.proxy_log(level, changetype<usize>(bytes), bytes.byteLength);
}
