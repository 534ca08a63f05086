// Who polls: one VM per proxy, elected in shared data. The main thread's VM serves no streams and is the natural one: a VM may
// take the lease only while it has never seen a stream, unless nobody has renewed it for a while. A newer configuration takes it at
// once. Source: DESIGN section 7.
//
//   lease: u64 generation │ u64 holder │ u64 expires, ms        generation: u64 configuration hash │ u64 generation

import { getShared, resultLength, resultPtr, Status, setShared, sharedCas } from 'as-proxy-wasm';
import { GENERATION_NAME, LEASE_NAME, TAG_NAME } from './shared-names';

const LEASE_MS: u64 = 3000;
/** A VM that serves streams waits so much longer. */
const GRACE_MS: u64 = 3000;
const TRIES: i32 = 32;

const buffer: usize = memory.data(24, 8);

/** A number that no other VM of the process has. */
export function takeTag(): u64 {
  for (let i = 0; i < TRIES; i++) {
    const last = getShared(TAG_NAME) == Status.Ok && resultLength == 8 ? load<u64>(resultPtr) : 0;
    const cas = sharedCas;
    store<u64>(buffer, last + 1);
    if (setShared(TAG_NAME, buffer, 8, cas) == Status.Ok) return last + 1;
  }
  return 0;
}

/** Number of this configuration: equal in all VMs that run it, higher than any configuration's before it. */
export function generationOf(configurationHash: u64): u64 {
  for (let i = 0; i < TRIES; i++) {
    let last: u64 = 0;
    if (getShared(GENERATION_NAME) == Status.Ok && resultLength == 16) {
      last = load<u64>(resultPtr, 8);
      if (load<u64>(resultPtr) == configurationHash) return last;
    }
    const cas = sharedCas;
    store<u64>(buffer, configurationHash);
    store<u64>(buffer, last + 1, 8);
    if (setShared(GENERATION_NAME, buffer, 16, cas) == Status.Ok) return last + 1;
  }
  return 0;
}

/**
 * Whether this VM holds the lease at `nowMs`; takes or renews it where it may. served: it has seen a stream.
 */
export function holdLease(tag: u64, generation: u64, nowMs: u64, served: bool): bool {
  let cas: u32 = 0;
  if (getShared(LEASE_NAME) == Status.Ok && resultLength == 24) {
    cas = sharedCas;
    const held = load<u64>(resultPtr);
    const holder = load<u64>(resultPtr, 8);
    const expires = load<u64>(resultPtr, 16);
    if (held > generation) return false;
    if (held == generation) {
      if (holder == tag && nowMs + LEASE_MS / 2 < expires) return true;
      if (holder != tag && nowMs < expires + (served ? GRACE_MS : 0)) return false;
    }
  } else if (served) return false;
  store<u64>(buffer, generation);
  store<u64>(buffer, tag, 8);
  store<u64>(buffer, nowMs + LEASE_MS, 16);
  return setShared(LEASE_NAME, buffer, 24, cas) == Status.Ok;
}
