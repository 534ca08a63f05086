import * as env from './env';
import { expectResult, landAt, OUT_FLAGS, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { Status } from './status';
import { Buffer } from './types';

// Bodies and configurations. What a body buffer shows depends on the status of the callback before (`BodyStatus`): the whole
// body so far, or the new chunk only.
//
// Reading a body outside of its callback, say from a tick, *crashes the Envoy process*: it follows a pointer into a chunk that
// is gone (seen on 1.37.0 and 1.40.0). So a body is open only while the callbacks in `exports/` say so, else `NotFound`.

const NONE: i32 = -1;
let openBody: i32 = NONE;
let elsewhere: bool = false;

/** For `exports/`: the callback that begins may read this body. */
export function openBuffer(body: Buffer): void {
  openBody = body;
  elsewhere = false;
}

/** For `exports/`: the callback ends. */
export function closeBuffer(): void {
  openBody = NONE;
}

/** For `setEffectiveContext`: calls go to another context now, whose body is not open. */
export function leaveBuffer(away: bool): void {
  elsewhere = away;
}

function isClosed(buffer: Buffer): bool {
  return buffer <= Buffer.ResponseBody && (buffer !== openBody || elsewhere);
}

/** Up to `length` bytes from `start` as result. Past the end: `Ok` and an empty result. */
export function getBuffer(buffer: Buffer, start: usize, length: usize): Status {
  expectResult();
  if (isClosed(buffer)) return takeResult(Status.NotFound);
  return takeResult(env.proxy_get_buffer_bytes(buffer, start, length, OUT_PTR, OUT_LENGTH));
}

/** The same, straight to `ptr`, where `length` bytes must be free. `resultLength` says how many came. No allocation, one copy. */
export function getBufferInto(buffer: Buffer, start: usize, length: usize, ptr: usize): Status {
  landAt(ptr, length);
  return getBuffer(buffer, start, length);
}

/**
 * Changes a body. Envoy knows three cases, others are `BadArgument`: `start` 0 and `length` 0 puts bytes before it, `start` 0 and
 * a `length` of all or more replaces it, `start` at or past its end appends.
 */
export function setBuffer(buffer: Buffer, start: usize, length: usize, ptr: usize, size: usize): Status {
  if (isClosed(buffer)) return Status.NotFound;
  return env.proxy_set_buffer_bytes(buffer, start, length, ptr, size);
}

/** Bytes that the buffer shows now, 0 when it is not there. */
export function bufferLength(buffer: Buffer): usize {
  if (isClosed(buffer)) return 0;
  return env.proxy_get_buffer_status(buffer, OUT_WORD, OUT_FLAGS) === Status.Ok ? load<usize>(OUT_WORD) : 0;
}
