import { Status } from '../abi';
import type { Call, Implementations } from './border';

/** Shared data, queues, metrics, HTTP calls: what lives outside of the VM. */
export const data: Implementations = {
  proxy_get_shared_data(call: Call, key: number, keyLength: number, outPtr: number, outLength: number, outCas: number) {
    const value = call.vm.proxy.sharedData.get(call.context.root.plugin.vmId, call.text(key, keyLength));
    if (!value) return Status.NotFound;
    const status = call.output(value.bytes, outPtr, outLength);
    if (status === Status.Ok) call.vm.memory.writeU32(outCas, value.cas);
    return status;
  },

  proxy_set_shared_data(call: Call, key: number, keyLength: number, value: number, valueLength: number, cas: number) {
    const name = call.text(key, keyLength);
    const bytes = call.bytes(value, valueLength);
    return call.vm.proxy.sharedData.set(call.context.root.plugin.vmId, name, bytes, call.note(cas));
  },

  proxy_register_shared_queue(call: Call, name: number, nameLength: number, outToken: number) {
    const { root } = call.context;
    const queue = call.text(name, nameLength);
    const { vm } = call;
    const { sharedData, clock } = vm.proxy;
    const token = sharedData.registerQueue(root.plugin.vmId, queue, () => {
      clock.after(0, () => vm.call(root, 'proxy_on_queue_ready', root.id, token));
    });
    return call.outputU32(token, outToken);
  },

  proxy_resolve_shared_queue(call: Call, vmId: number, vmIdLength: number, name: number, nameLength: number, outToken: number) {
    const owner = call.text(vmId, vmIdLength) || call.context.root.plugin.vmId;
    const token = call.vm.proxy.sharedData.resolveQueue(owner, call.text(name, nameLength));
    return token ? call.outputU32(token, outToken) : Status.NotFound;
  },

  proxy_enqueue_shared_queue(call: Call, token: number, ptr: number, length: number) {
    return call.vm.proxy.sharedData.enqueue(call.note(token), call.bytes(ptr, length));
  },

  proxy_dequeue_shared_queue(call: Call, token: number, outPtr: number, outLength: number) {
    const item = call.vm.proxy.sharedData.dequeue(call.note(token));
    return item instanceof Uint8Array ? call.output(item, outPtr, outLength) : item;
  },

  proxy_define_metric(call: Call, kind: number, name: number, nameLength: number, outId: number) {
    call.note(kind);
    const id = call.vm.proxy.metrics.define(call.vm, kind, call.text(name, nameLength));
    return id === null ? call.refuse(Status.BadArgument, `there is no kind ${kind} of metric`) : call.outputU32(id, outId);
  },

  proxy_increment_metric(call: Call, id: number, offset: bigint) {
    call.note(id);
    call.note(offset);
    const status = call.vm.proxy.metrics.increment(call.vm, id, offset);
    return status === Status.Ok ? status : call.refuse(status, `metric ${id} cannot be incremented by ${offset}`);
  },

  proxy_record_metric(call: Call, id: number, value: bigint) {
    call.note(id);
    call.note(value);
    const status = call.vm.proxy.metrics.record(call.vm, id, BigInt.asUintN(64, value));
    return status === Status.Ok ? status : call.refuse(status, `there is no metric ${id}`);
  },

  proxy_get_metric(call: Call, id: number, out: number) {
    const value = call.vm.proxy.metrics.get(call.vm, call.note(id));
    return typeof value === 'bigint' ? call.outputU64(value, out) : call.refuse(value, `metric ${id} cannot be read`);
  },

  proxy_http_call(
    call: Call,
    cluster: number,
    clusterLength: number,
    headers: number,
    headersLength: number,
    body: number,
    bodyLength: number,
    trailers: number,
    trailersLength: number,
    timeoutMs: number,
    outToken: number,
  ) {
    const request = {
      cluster: call.text(cluster, clusterLength),
      headers: call.pairs(headers, headersLength),
      body: call.bytes(body, bodyLength),
      trailers: call.pairs(trailers, trailersLength),
      timeoutMs: call.note(timeoutMs),
    };
    const { proxy } = call.vm;
    call.outputU32(0, outToken);
    if (timeoutMs > 0x7fffffff) return call.refuse(Status.BadArgument, 'a negative timeout');
    if (!proxy.hasCluster(request.cluster)) return Status.BadArgument;
    const names = new Set(request.headers.map(([name]) => name));
    const missing = [':method', ':path', ':authority'].filter((name) => !names.has(name));
    if (missing.length) return call.refuse(Status.BadArgument, `an HTTP call without ${missing.join(', ')}`);
    return call.outputU32(proxy.httpCall(call.context.root, request), outToken);
  },
};
