import * as env from './env';
import { expectResult, OUT_LENGTH, OUT_PTR, takeResult } from './memory';
import { Status } from './status';
import { Utf8 } from './utf8';

// Facts about the stream, its connection and the plugin. Envoy's list: "Attributes" in its documentation; numbers come as 8
// little-endian bytes, booleans as 1, maps encoded. Reading one costs a host call: read once per stream, never `xds.node`.

/** The path of a property: parts joined by NUL on the wire. `propertyPath('xds.cluster_name')`; for module constants. */
export function propertyPath(dotted: string): Utf8 {
  return Utf8.of(dotted.replaceAll('.', '\0'));
}

/** Value as result. `NotFound`: unknown, or not yet known. `SerializationFailure`: exists but has no bytes. */
export function getProperty(path: Utf8): Status {
  expectResult();
  return takeResult(env.proxy_get_property(path.ptr, path.length, OUT_PTR, OUT_LENGTH));
}

/** Stores bytes as filter state `wasm.<name>` of the stream, where access logs and other filters see them. */
export function setProperty(name: Utf8, valuePtr: usize, valueLength: usize): Status {
  return env.proxy_set_property(name.ptr, name.length, valuePtr, valueLength);
}
