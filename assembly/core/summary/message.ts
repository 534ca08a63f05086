// The frame of a summary message: is it whole, ours, and what does it claim? Source: format.ts.

import { hashBytes } from '../prefix/chain';
import * as format from './format';

export const enum MessageStatus {
  Ok,
  /** Shorter than it says, or than a header. */
  Truncated,
  /** Not a summary message. */
  Foreign,
  /** A format version that we do not read. */
  Version,
  /** The checksum does not match. */
  Corrupt,
  /** Of another pool. */
  Pool,
}

export function poolNumber(name: usize, length: usize): u32 {
  return <u32>hashBytes(0, name, length);
}

export function checksumOf(ptr: usize, length: usize): u64 {
  const head = hashBytes(0, ptr, <usize>format.AT_CHECKSUM);
  return hashBytes(head, ptr + <usize>format.AT_PUBLISHED, length - <usize>format.AT_PUBLISHED);
}

/** Length of the message at `ptr` by its own header, 0 when `length` bytes do not hold that much or it is no message. */
export function messageLength(ptr: usize, length: usize): usize {
  if (length < <usize>format.HEADER_BYTES || load<u32>(ptr) != <u32>format.MAGIC) return 0;
  const size = <u64>load<u32>(ptr, format.AT_LENGTH) + <u64>format.HEADER_BYTES;
  return size <= <u64>length ? <usize>size : 0;
}

/** Checks the message of exactly `length` bytes at `ptr`. */
export function checkMessage(ptr: usize, length: usize, pool: u32): MessageStatus {
  if (length < <usize>format.HEADER_BYTES) return MessageStatus.Truncated;
  if (load<u32>(ptr) != <u32>format.MAGIC) return MessageStatus.Foreign;
  if (<i32>load<u16>(ptr, format.AT_VERSION) != format.FORMAT_VERSION) return MessageStatus.Version;
  if (messageLength(ptr, length) != length) return MessageStatus.Truncated;
  if (load<u64>(ptr, format.AT_CHECKSUM) != checksumOf(ptr, length)) return MessageStatus.Corrupt;
  const kind = kindOfMessage(ptr);
  if (kind != format.KIND_SNAPSHOT && kind != format.KIND_DELTA) return MessageStatus.Foreign;
  return load<u32>(ptr, format.AT_POOL) == pool ? MessageStatus.Ok : MessageStatus.Pool;
}

export function kindOfMessage(ptr: usize): i32 {
  return <i32>load<u8>(ptr, format.AT_KIND);
}

export function epochOf(ptr: usize): u64 {
  return load<u64>(ptr, format.AT_EPOCH);
}

export function sequenceOf(ptr: usize): u64 {
  return load<u64>(ptr, format.AT_SEQUENCE);
}

export function baseSequenceOf(ptr: usize): u64 {
  return load<u64>(ptr, format.AT_BASE_SEQUENCE);
}

export function partOf(ptr: usize): u32 {
  return load<u32>(ptr, format.AT_PART);
}

export function partsOf(ptr: usize): u32 {
  return load<u32>(ptr, format.AT_PARTS);
}
