import { leaveBuffer } from './buffers';
import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { HeaderPairs } from './pairs';
import { Status } from './status';
import { Direction } from './types';

/**
 * Makes host calls count for another context of this VM, until the callback returns or 0 is set. A tick or an HTTP answer
 * uses it to change and resume a stream. `BadArgument` when there is no such context; then nothing changes.
 */
export function setEffectiveContext(context: u32): Status {
  const status: Status = env.proxy_set_effective_context(context);
  if (status === Status.Ok) leaveBuffer(context !== 0);
  return status;
}

/**
 * Resumes what `StopIteration…` held, once the callback returns. Headers must have been changed before: afterwards a change
 * says `Ok` or `BadArgument`, and may or may not reach the upstream.
 */
export function continueStream(direction: Direction): Status {
  return env.proxy_continue_stream(direction);
}

/** Resets the stream. */
export function closeStream(direction: Direction): Status {
  return env.proxy_close_stream(direction);
}

/** Ends a context whose `onDone` answered false. */
export function done(): Status {
  return env.proxy_done();
}

/**
 * Answers the request here. Whatever the callback returns afterwards, the request goes no further.
 * `headers` may be null; `grpcStatus` −1 for none.
 */
export function sendLocalResponse(code: u32, bodyPtr: usize, bodyLength: usize, headers: HeaderPairs | null, grpcStatus: i32 = -1): Status {
  return env.proxy_send_local_response(
    code,
    0,
    0,
    bodyPtr,
    bodyLength,
    headers ? headers.ptr : 0,
    headers ? headers.length : 0,
    grpcStatus,
  );
}

/** Code that `getCallStatus` read last: a gRPC code. */
export let callStatusCode: u32 = 0;

/** Why the HTTP or gRPC call that is being answered failed: code in `callStatusCode`, text as result. */
export function getCallStatus(): Status {
  expectResult();
  const status = takeResult(env.proxy_get_status(OUT_WORD, OUT_PTR, OUT_LENGTH));
  callStatusCode = status === Status.Ok ? load<u32>(OUT_WORD) : 0;
  return status;
}
