// The load generator: so many keep-alive connections, each sends its next request when the answer is there. Raw sockets, request bytes
// made before, nothing is retried: a connection that breaks ends the run. A child process, so that it shares nothing but the machine.
import { connect, type Socket } from 'node:net';
import { SERIAL_DIGITS } from '../workload/chats.js';
import { ANSWER_BYTES, cpuUs } from './upstreams.js';

export const LOAD_ROLE = 'gateway-load';

/** Requests of one size, to be sent in turn. */
export interface LoadRequests {
  readonly bodies: readonly { readonly body: Uint8Array; readonly serialAt: number }[];
}

export interface LoadRun {
  /** `host:port` of the listener. */
  readonly target: string;
  readonly connections: number;
  readonly milliseconds: number;
  /** Pods of the pool: request i belongs to pod i % pods. */
  readonly pods: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  /** Requests that reached the pod that holds their prefix. */
  readonly atHolder: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
}

interface Prepared {
  readonly bytes: Buffer;
  readonly serialAt: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const UPSTREAM = Buffer.from('x-upstream: ');
const STATUS_AT = 'HTTP/1.1 '.length;
const NOTHING: Uint8Array = new Uint8Array();

let prepared: Prepared[] = [];
let serial = 0;

function prepare({ bodies }: LoadRequests): void {
  prepared = bodies.map(({ body, serialAt }) => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    return { bytes: Buffer.concat([Buffer.from(head), body]), serialAt: head.length + serialAt };
  });
}

/** One connection: requests `first`, `first + step`, … of the list, so that no two connections write into the same bytes. */
function drive(
  run: LoadRun,
  first: number,
  until: number,
  latencies: number[],
  counts: { failed: number; atHolder: number },
): Promise<void> {
  const [host, port] = run.target.split(':') as [string, string];
  return new Promise((resolve) => {
    const socket: Socket = connect(Number(port), host);
    socket.setNoDelay(true);
    let index = first;
    let sent = 0;
    let begun: Uint8Array = NOTHING;
    const send = (): void => {
      const request = prepared[index]!;
      request.bytes.write(String(serial++).padStart(SERIAL_DIGITS, '0'), request.serialAt, 'latin1');
      sent = performance.now();
      socket.write(request.bytes);
    };
    const fail = (): void => {
      counts.failed++;
      socket.destroy();
      resolve();
    };
    socket.once('connect', send);
    socket.on('error', fail);
    socket.on('end', fail);
    socket.on('data', (chunk: Buffer) => {
      const answer = begun.length > 0 ? Buffer.concat([begun, chunk]) : chunk;
      const end = answer.indexOf(HEAD_END);
      if (answer[STATUS_AT] !== 0x32) {
        fail();
        return;
      }
      if (end < 0 || answer.length < end + HEAD_END.length + ANSWER_BYTES) {
        begun = answer;
        return;
      }
      begun = NOTHING;
      const now = performance.now();
      latencies.push(now - sent);
      const at = answer.indexOf(UPSTREAM) + UPSTREAM.length;
      if ((answer[at]! - 0x30) * 10 + answer[at + 1]! - 0x30 === index % run.pods) counts.atHolder++;
      index += run.connections;
      if (index >= prepared.length) index = first;
      if (now < until) send();
      else {
        socket.removeAllListeners('error').removeAllListeners('end');
        socket.destroy();
        resolve();
      }
    });
  });
}

async function load(run: LoadRun): Promise<LoadResult> {
  const latencies: number[] = [];
  const counts = { failed: 0, atHolder: 0 };
  const cpu = cpuUs();
  const until = performance.now() + run.milliseconds;
  await Promise.all(Array.from({ length: run.connections }, (_, first) => drive(run, first, until, latencies, counts)));
  latencies.sort((a, b) => a - b);
  const at = (q: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? Number.NaN;
  return { requests: latencies.length, ...counts, p50Ms: at(0.5), p99Ms: at(0.99), cpuUs: cpuUs() - cpu };
}

/** The child's main: takes requests, then runs as it is told. */
export function runLoad(): void {
  process.on('message', (message: LoadRequests | LoadRun) => {
    if ('bodies' in message) {
      prepare(message);
      process.send!({ ready: true });
    } else load(message).then((result) => process.send!(result));
  });
  process.on('disconnect', () => process.exit(0));
}
