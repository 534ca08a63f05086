import { Context, RootContext, StreamContext } from './context';
import { findContext, putContext, removeContext } from './context-table';

// From the proxy's numbers to objects. Nothing here may trap: a number that is not known, as one of a context that was deleted
// or could not be made, gives null, and the callback answers "continue".

let makeRoot: ((id: u32) => RootContext) | null = null;

/** Says, at the top level of the entry file, what makes the object for a plugin configuration. */
export function registerRoot(factory: (id: u32) => RootContext): void {
  makeRoot = factory;
}

export function createContext(id: u32, parent: u32): void {
  if (parent === 0) {
    const factory = makeRoot;
    if (factory === null) return;
    const root = factory(id);
    root.id = id;
    putContext(root);
    return;
  }
  const root = findRoot(parent);
  if (root === null) return;
  const stream = root.createStream(id);
  stream.id = id;
  stream.root = root;
  stream.requestBodyKept = stream.responseBodyKept = false;
  putContext(stream);
}

export function deleteContext(id: u32): void {
  const context = findContext(id);
  if (context === null) return;
  // First out of the table: `onDelete` may hand the object to the next stream.
  removeContext(id);
  context.onDelete();
}

export function find(id: u32): Context | null {
  return findContext(id);
}

export function findRoot(id: u32): RootContext | null {
  const context = findContext(id);
  return context instanceof RootContext ? <RootContext>context : null;
}

export function findStream(id: u32): StreamContext | null {
  const context = findContext(id);
  return context instanceof StreamContext ? <StreamContext>context : null;
}
