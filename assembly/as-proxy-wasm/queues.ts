import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { Status } from './status';
import { Utf8 } from './utf8';

// Queues between VMs. Each item goes to one reader; of several that registered a queue, the last is woken (`onQueueReady`).

/** Makes or joins the queue of that name under this VM's `vm_id`: its token, or 0. */
export function registerQueue(name: Utf8): u32 {
  return env.proxy_register_shared_queue(name.ptr, name.length, OUT_WORD) === Status.Ok ? load<u32>(OUT_WORD) : 0;
}

/** Finds a queue that a VM with `vmId` registered (empty: our own): its token, or 0. */
export function resolveQueue(vmId: Utf8, name: Utf8): u32 {
  const status = env.proxy_resolve_shared_queue(vmId.ptr, vmId.length, name.ptr, name.length, OUT_WORD);
  return status === Status.Ok ? load<u32>(OUT_WORD) : 0;
}

export function enqueue(queue: u32, ptr: usize, length: usize): Status {
  return env.proxy_enqueue_shared_queue(queue, ptr, length);
}

/** Next item as result; `Empty` when there is none, `NotFound` when there is no such queue. */
export function dequeue(queue: u32): Status {
  expectResult();
  return takeResult(env.proxy_dequeue_shared_queue(queue, OUT_PTR, OUT_LENGTH));
}
