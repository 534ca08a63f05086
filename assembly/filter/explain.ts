// One decision in Envoy's log: the lines that users of llm-d's guide look for, with the same keys in the same order, one per
// endpoint, and one line of our own. Level debug of the `wasm` logger; nothing is built when that is off.
// Source: facts on llm-d, section 3.

import { LogLevel, logBytes, nowNanoseconds } from 'as-proxy-wasm';
import { memberEnd, memberStart } from '../core/json/members';
import { MEMBER_MODEL } from '../core/json/names';
import { promptBytes, strides } from '../core/prefix/prompt-chain';
import { reasonName } from '../core/prompt/reason';
import { destination, destinations } from '../core/routing/choose';
import { reason } from '../core/routing/decide';
import { matchBytes, matchShare } from '../core/routing/matches';
import { Summary } from '../core/summary/summary';
import { ByteBuilder } from './bytes';

const line = new ByteBuilder(2048);
const time = new ByteBuilder(32);

/** Civil date of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms"). */
function date(days: u64): void {
  const z = days + 719468;
  const era = z / 146097;
  const day = z - era * 146097;
  const year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const dayOfYear = day - (365 * year + year / 4 - year / 100);
  const month = (5 * dayOfYear + 2) / 153;
  const civilMonth = month < 10 ? month + 3 : month - 9;
  time
    .padded(year + era * 400 + (civilMonth <= 2 ? 1 : 0), 4)
    .byte(0x2d)
    .padded(civilMonth, 2)
    .byte(0x2d)
    .padded(dayOfYear - (153 * month + 2) / 5 + 1, 2);
}

/** Now as RFC 3339, UTC, seconds. */
function stamp(): void {
  const seconds = nowNanoseconds() / 1000000000;
  time.clear();
  date(seconds / 86400);
  const second = seconds % 86400;
  time
    .byte(0x54)
    .padded(second / 3600, 2)
    .byte(0x3a)
    .padded((second / 60) % 60, 2)
    .byte(0x3a)
    .padded(second % 60, 2)
    .byte(0x5a);
}

/** Logs the decision just made. scanner: of the body at `body`, 0 when there was none. */
export function explain(summary: Summary, requestId: usize, requestIdLength: usize, body: usize, scanner: usize): void {
  stamp();
  for (let id: u32 = 0; id < summary.endpointLimit; id++) {
    if (!summary.endpoint(id).ready) continue;
    begin('Calculated score', requestId, requestIdLength);
    line.text(',"objectiveKey":""');
    model('incomingModelName', body, scanner);
    model('targetModelName', body, scanner);
    line.text(',"priority":0,"plugin":"precise-prefix-cache-scorer/precise-prefix-cache-scorer","endpoint":');
    endpoint(summary, id);
    line
      .text(',"score":')
      .share(min<f64>(matchShare(id), 1))
      .byte(0x7d);
    logBytes(LogLevel.Debug, line.ptr, line.length);
  }
  begin('Decision', requestId, requestIdLength);
  line
    .text(',"reason":"')
    .text(reasonName(reason))
    .text('","promptBytes":')
    .number(promptBytes)
    .text(',"strides":')
    .number(strides)
    .text(',"destinations":[');
  for (let i: u32 = 0; i < destinations; i++) {
    const id = destination(i);
    const chosen = summary.endpoint(id);
    if (i != 0) line.byte(0x2c);
    line
      .text('{"address":')
      .json(chosen.address, chosen.addressLength)
      .text(',"matchBytes":')
      .number(matchBytes(id, summary.stride))
      .byte(0x7d);
  }
  line.text(']}');
  logBytes(LogLevel.Debug, line.ptr, line.length);
}

function begin(message: string, requestId: usize, requestIdLength: usize): void {
  line.clear().text('{"level":"Level(-4)","ts":"').bytes(time.ptr, time.length).text('","caller":"kvane/explain","msg":"').text(message);
  line.text('","x-request-id":').json(requestId, requestIdLength);
}

/** The model as the request spells it. */
function model(key: string, body: usize, scanner: usize): void {
  line.text(',"').text(key).text('":');
  const start = scanner == 0 ? 0 : memberStart(scanner, MEMBER_MODEL);
  if (start == 0 || load<u8>(body + <usize>start) != 0x22) line.text('""');
  else line.bytes(body + <usize>start, <usize>(memberEnd(scanner, MEMBER_MODEL) - start));
}

function endpoint(summary: Summary, id: u32): void {
  const row = summary.endpoint(id);
  line.text('{"name":"');
  // Names are Kubernetes names: nothing in them needs an escape, but nobody may rely on it.
  line.length--;
  line.json(row.name, row.nameLength);
  line.length--;
  line.text('-rank-').number(row.rank).text('","namespace":').json(row.namespace, row.namespaceLength).byte(0x7d);
}
