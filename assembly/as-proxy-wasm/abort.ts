import * as env from './env';

/** Where an abort message is put together: static, because an abort may come from a full heap. */
const TEXT: usize = memory.data(512);
const TEXT_END: usize = TEXT + 512;
/** Room that the position needs behind the text: `:line:column`, two u32 in decimal. */
const POSITION_BYTES: usize = 22;
/** proxy_log_level_t: critical. */
const CRITICAL: i32 = 5;

/** UTF-16 to one byte per unit, `?` outside of Latin-1: enough for messages of ours. */
function putText(at: usize, text: string | null): usize {
  if (text === null) return at;
  for (let i = 0; i < text.length && at < TEXT_END - POSITION_BYTES; i++) {
    const unit = text.charCodeAt(i);
    store<u8>(at++, unit < 256 ? unit : 63);
  }
  return at;
}

function putNumber(at: usize, value: u32): usize {
  let scale: u32 = 1;
  while (value / scale >= 10) scale *= 10;
  for (; scale > 0; scale /= 10) store<u8>(at++, 48 + ((value / scale) % 10));
  return at;
}

/**
 * What a failed assertion, a throw or a full heap ends in: one critical log line "abort: message at file:line:column", then a
 * trap. A trap fails every stream of the VM, so this is the last thing that a VM does.
 * Compile with `--use abort=~lib/as-proxy-wasm/abort/proxyAbort`; without it the module imports `env.abort` and Envoy refuses it.
 */
export function proxyAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  let at = putText(TEXT, 'abort: ');
  at = putText(at, message);
  at = putText(at, ' at ');
  at = putText(at, file);
  store<u8>(at++, 58);
  at = putNumber(at, line);
  store<u8>(at++, 58);
  at = putNumber(at, column);
  env.proxy_log(CRITICAL, TEXT, at - TEXT);
  unreachable();
}
