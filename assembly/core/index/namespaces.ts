// Namespaces of resident chains other than the plain one. A chain's first block makes an entry, its children share it, the last
// one to leave frees it. Number 0 is the plain namespace and has no entry.
//
//   entry: u64 namespace | u32 holders

import { Records } from '../bytes/records';
import { plainNamespace } from './plane';

/** A block that earns no credit: media, prompt embeddings, or an adapter without a name. */
export const NO_CREDIT: u32 = 0xffffffff;

const entries = Records.create(12);

/** A new entry with one holder. */
export function takeNamespace(value: u64): u32 {
  const number = entries.take();
  const ptr = entries.at(number);
  store<u64>(ptr, value);
  store<u32>(ptr, 1, 8);
  return number;
}

export function shareNamespace(number: u32): u32 {
  if (number == 0 || number == NO_CREDIT) return number;
  const ptr = entries.at(number);
  store<u32>(ptr, load<u32>(ptr, 8) + 1, 8);
  return number;
}

export function giveNamespace(number: u32): void {
  if (number == 0 || number == NO_CREDIT) return;
  const ptr = entries.at(number);
  const holders = load<u32>(ptr, 8) - 1;
  if (holders == 0) entries.give(number);
  else store<u32>(ptr, holders, 8);
}

export function namespaceAt(number: u32): u64 {
  return number == 0 ? plainNamespace : load<u64>(entries.at(number));
}
