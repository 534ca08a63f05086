import { BUFFERS, MAPS, Status } from '../abi';
import type { BufferView } from '../context';
import { encodePairs, encodeText } from '../guest-memory';
import type { HeaderMap } from '../header-map';
import type { Call, Implementations } from './border';

/** The map of that number, or the status that Envoy gives in its place. */
function find(call: Call, number: number): HeaderMap | Status {
  const name = MAPS[number];
  if (!name) return call.refuse(Status.BadArgument, `there is no header map ${number}`);
  call.note(name);
  const map = call.context.map(name);
  if (map === undefined) return call.refuse(Status.BadArgument, `${name} of context ${call.context.id} are not there now`);
  if (map === null) return Status.NotFound;
  return typeof map === 'string' ? call.refuse(Status.BadArgument, map) : map;
}

type Change = (map: HeaderMap, name: string, value: string) => void;

const change = (apply: Change) => (call: Call, number: number, name: number, nameLength: number, value: number, valueLength: number) => {
  const map = find(call, number);
  const key = call.text(name, nameLength);
  const text = call.text(value, valueLength);
  if (typeof map === 'number') return map;
  apply(map, key, text);
  return Status.Ok;
};

export const headers: Implementations = {
  proxy_get_header_map_value(call: Call, number: number, name: number, nameLength: number, outPtr: number, outLength: number) {
    const map = find(call, number);
    const key = call.text(name, nameLength);
    if (typeof map === 'number') return map;
    const value = map.get(key);
    return value === undefined ? Status.NotFound : call.output(encodeText(value), outPtr, outLength);
  },

  proxy_add_header_map_value: change((map, name, value) => map.add(name, value)),
  proxy_replace_header_map_value: change((map, name, value) => map.replace(name, value)),

  proxy_remove_header_map_value(call: Call, number: number, name: number, nameLength: number) {
    const map = find(call, number);
    const key = call.text(name, nameLength);
    if (typeof map === 'number') return map;
    map.remove(key);
    return Status.Ok;
  },

  proxy_get_header_map_size(call: Call, number: number, out: number) {
    const map = find(call, number);
    return typeof map === 'number' ? map : call.outputU32(map.byteSize, out);
  },

  proxy_get_header_map_pairs(call: Call, number: number, outPtr: number, outLength: number) {
    const map = find(call, number);
    const pairs = typeof map === 'number' ? [] : map.pairs;
    return call.output(pairs.length ? encodePairs(pairs) : new Uint8Array(), outPtr, outLength);
  },

  proxy_set_header_map_pairs(call: Call, number: number, ptr: number, length: number) {
    const map = find(call, number);
    const pairs = call.pairs(ptr, length);
    if (typeof map === 'number') return map;
    map.replaceAll(pairs);
    return Status.Ok;
  },
};

function findBuffer(call: Call, number: number): BufferView | Status {
  const name = BUFFERS[number];
  if (!name) return call.refuse(Status.BadArgument, `there is no buffer ${number}`);
  call.note(name);
  const view = call.context.buffer(name);
  if (view === undefined) return call.refuse(Status.NotFound, `${name} of context ${call.context.id} is not there now`);
  return typeof view === 'string' ? call.refuse(Status.NotFound, view) : view;
}

export const buffers: Implementations = {
  proxy_get_buffer_status(call: Call, number: number, outLength: number, outFlags: number) {
    const view = findBuffer(call, number);
    if (typeof view === 'number') return view;
    call.outputU32(0, outFlags);
    return call.outputU32(view.bytes.length, outLength);
  },

  proxy_get_buffer_bytes(call: Call, number: number, start: number, length: number, outPtr: number, outLength: number) {
    const view = findBuffer(call, number);
    call.note(start);
    call.note(length);
    if (typeof view === 'number') return view;
    return call.output(view.bytes.subarray(start, start + length), outPtr, outLength);
  },

  proxy_set_buffer_bytes(call: Call, number: number, start: number, length: number, ptr: number, size: number) {
    const view = findBuffer(call, number);
    call.note(start);
    call.note(length);
    const bytes = call.bytes(ptr, size);
    if (typeof view === 'number') return view;
    if (!view.replace) return call.refuse(Status.BadArgument, 'this buffer cannot be changed');
    const whole = view.bytes;
    if (start === 0 && length === 0) view.replace(Buffer.concat([bytes, whole]));
    else if (start === 0 && length >= whole.length) view.replace(bytes);
    else if (start > 0 && start >= whole.length) view.replace(Buffer.concat([whole, bytes]));
    else return call.refuse(Status.BadArgument, 'Envoy can only put bytes before, after, or in place of the whole buffer');
    return Status.Ok;
  },
};
