import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, OUT_WORD, takeResult } from './memory';
import { Status } from './status';
import { Utf8 } from './utf8';

// One map for all VMs of the process with the same `vm_id`, behind one mutex: a reader waits for a big writer, so keep it off
// the request path. Nothing can be deleted or listed; it outlives configurations and modules, so put a version into the keys.

/** Version of the value that `getShared` read last, to be given to `setShared`; 0 when there was none. */
export let sharedCas: u32 = 0;

/** Value as result and its version in `sharedCas`. `NotFound` when nobody ever wrote it. */
export function getShared(key: Utf8): Status {
  expectResult();
  store<u32>(OUT_WORD, 0);
  const status = takeResult(env.proxy_get_shared_data(key.ptr, key.length, OUT_PTR, OUT_LENGTH, OUT_WORD));
  sharedCas = load<u32>(OUT_WORD);
  return status;
}

/**
 * Writes the value. `cas` 0 always wins; another one wins only if it is still the version of the value (`CasMismatch`
 * otherwise). On an absent key every `cas` wins, so two first writers both believe that they won.
 */
export function setShared(key: Utf8, ptr: usize, length: usize, cas: u32 = 0): Status {
  return env.proxy_set_shared_data(key.ptr, key.length, ptr, length, cas);
}
