import { LEVELS, Status, statusName } from '../abi';
import { decodeText, encodeText } from '../guest-memory';
import type { Call, Implementations } from './border';

/** Logs, time, timers, contexts, properties, foreign functions. */
export const general: Implementations = {
  proxy_log(call: Call, level: number, ptr: number, length: number) {
    const name = LEVELS[level];
    if (!name) return call.refuse(Status.BadArgument, `there is no log level ${level}: Envoy ends`);
    call.note(name);
    call.vm.proxy.log(call.vm, name, call.text(ptr, length));
    return Status.Ok;
  },

  proxy_get_log_level(call: Call, out: number) {
    return call.outputU32(LEVELS.indexOf(call.vm.proxy.logLevel), out);
  },

  proxy_get_status(call: Call, outCode: number, outPtr: number, outLength: number) {
    const { code, text } = call.context.root.callStatus;
    call.note(code);
    const status = call.output(encodeText(text), outPtr, outLength);
    if (status === Status.Ok) call.vm.memory.writeU32(outCode, code);
    return status;
  },

  proxy_get_current_time_nanoseconds(call: Call, out: number) {
    return call.outputU64(BigInt(Math.round(call.vm.proxy.clock.nowMs * 1000)) * 1000n, out);
  },

  proxy_set_tick_period_milliseconds(call: Call, milliseconds: number) {
    call.vm.setTickPeriod(call.context.root, call.note(milliseconds));
    return Status.Ok;
  },

  proxy_set_effective_context(call: Call, id: number) {
    call.note(id);
    const context = call.vm.contexts.get(id);
    if (id !== 0 && !context) return call.refuse(Status.BadArgument, `there is no context ${id}`);
    call.vm.effective = context;
    return Status.Ok;
  },

  proxy_done(call: Call) {
    return call.vm.proxy.done(call.context.root)
      ? Status.Ok
      : call.refuse(Status.NotFound, 'proxy_done for a context that is not waiting for it');
  },

  proxy_get_property(call: Call, path: number, pathLength: number, outPtr: number, outLength: number) {
    const parts = decodeText(call.bytes(path, pathLength)).split('\0');
    call.arguments[0] = parts.join('.');
    const value = call.context.property(parts.join('.'));
    return value instanceof Uint8Array ? call.output(value, outPtr, outLength) : value;
  },

  proxy_set_property(call: Call, name: number, nameLength: number, value: number, valueLength: number) {
    return call.context.setProperty(call.text(name, nameLength), call.bytes(value, valueLength));
  },

  proxy_call_foreign_function(
    call: Call,
    name: number,
    nameLength: number,
    argument: number,
    argumentLength: number,
    outPtr: number,
    outLength: number,
  ) {
    const found = call.vm.proxy.foreignFunctions[call.text(name, nameLength)];
    const given = call.bytes(argument, argumentLength);
    if (!found) return Status.NotFound;
    const result = found(given, call.context);
    if (!(result instanceof Uint8Array)) return result;
    return outPtr ? call.output(result, outPtr, outLength) : Status.Ok;
  },

  proxy_continue_stream(call: Call, direction: number) {
    call.note(direction);
    return direction > 3 ? call.refuse(Status.BadArgument, `there is no stream type ${direction}`) : call.context.continueStream(direction);
  },

  proxy_close_stream(call: Call, direction: number) {
    call.note(direction);
    return direction > 3 ? call.refuse(Status.BadArgument, `there is no stream type ${direction}`) : call.context.closeStream(direction);
  },

  proxy_send_local_response(
    call: Call,
    code: number,
    details: number,
    detailsLength: number,
    body: number,
    bodyLength: number,
    headers: number,
    headersLength: number,
  ) {
    call.context.sendLocalResponse({
      status: call.note(code),
      details: call.text(details, detailsLength),
      body: call.bytes(body, bodyLength),
      headers: call.pairs(headers, headersLength),
    });
    call.vm.stopIteration = true;
    return Status.Ok;
  },
};

/** gRPC is not played: Envoy would, but nothing of ours uses it. */
const noGrpc = (call: Call) => call.refuse(Status.Unimplemented, `this host plays no gRPC: ${statusName(Status.Unimplemented)}`);

export const grpc: Implementations = {
  proxy_grpc_call: noGrpc,
  proxy_grpc_stream: noGrpc,
  proxy_grpc_send: noGrpc,
  proxy_grpc_close: noGrpc,
  proxy_grpc_cancel: noGrpc,
};
