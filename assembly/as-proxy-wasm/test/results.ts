// Host results: where they land. Each export does one thing and is called by the test between two callbacks' worth of host.
import {
  getProperty,
  getShared,
  HeaderPairs,
  landAt,
  PairsReader,
  propertyPath,
  RootContext,
  registerRoot,
  resultLength,
  resultPtr,
  StreamContext,
  Utf8,
} from 'as-proxy-wasm';

export * from 'as-proxy-wasm/exports/lifecycle';

const KEY = Utf8.of('key');
const NAME = propertyPath('some.name');

class NoStream extends StreamContext {}
class Root extends RootContext {
  createStream(id: u32): StreamContext {
    return new NoStream(this);
  }
}
registerRoot((id: u32): RootContext => new Root());

export function room(length: usize): usize {
  return heap.alloc(length);
}

export function shared(): i32 {
  return getShared(KEY);
}

export function landedShared(ptr: usize, capacity: usize): i32 {
  landAt(ptr, capacity);
  return getShared(KEY);
}

export function property(): i32 {
  return getProperty(NAME);
}

export function ptr(): usize {
  return resultPtr;
}

export function length(): usize {
  return resultLength;
}

const pairs = new HeaderPairs(8);

export function clearPairs(): void {
  pairs.clear();
}

export function addPair(name: usize, nameLength: usize, value: usize, valueLength: usize): bool {
  return pairs.add(name, nameLength, value, valueLength);
}

export function pairsPtr(): usize {
  return pairs.ptr;
}

export function pairsLength(): usize {
  return pairs.length;
}

/** Copies a list pair by pair; equal bytes mean that the reader saw every one. */
export function copyPairs(ptr: usize, length: usize): void {
  const reader = new PairsReader();
  reader.reset(ptr, length);
  pairs.clear();
  while (reader.next()) pairs.add(reader.namePtr, reader.nameLength, reader.valuePtr, reader.valueLength);
}

export function fail(): void {
  throw new Error('as was to be expected');
}
