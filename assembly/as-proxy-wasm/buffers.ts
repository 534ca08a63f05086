import * as env from './env';
import { expectResult, landAt, OUT_FLAGS, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { Status } from './status';
import { Buffer } from './types';

// Bodies and configurations. What a body buffer shows depends on the status of the callback before (`BodyStatus`): the whole
// body so far, or the new chunk only.

/** Up to `length` bytes from `start` as result. Past the end: `Ok` and an empty result. `NotFound` outside of its callback. */
export function getBuffer(buffer: Buffer, start: usize, length: usize): Status {
  expectResult();
  return takeResult(env.proxy_get_buffer_bytes(buffer, start, length, OUT_PTR, OUT_LENGTH));
}

/** The same, straight to `ptr`, where `length` bytes must be free. `resultLength` says how many came. No allocation, one copy. */
export function getBufferInto(buffer: Buffer, start: usize, length: usize, ptr: usize): Status {
  landAt(ptr, length);
  return getBuffer(buffer, start, length);
}

/** Replaces `length` bytes from `start` by others: length 0 inserts, `start` 0 with `usize.MAX_VALUE` replaces everything. */
export function setBuffer(buffer: Buffer, start: usize, length: usize, ptr: usize, size: usize): Status {
  return env.proxy_set_buffer_bytes(buffer, start, length, ptr, size);
}

/** Bytes that the buffer shows now, 0 when it is not there. */
export function bufferLength(buffer: Buffer): usize {
  return env.proxy_get_buffer_status(buffer, OUT_WORD, OUT_FLAGS) === Status.Ok ? load<usize>(OUT_WORD) : 0;
}
