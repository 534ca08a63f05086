// Upstreams that cost next to nothing: every request is answered with the same 295 bytes as soon as its body is complete. One process,
// one port per endpoint, raw sockets. Started by group.ts as a child; says its ports, and its CPU time when asked.
import { createServer, type Server, type Socket } from 'node:net';

export const UPSTREAMS_ROLE = 'gateway-upstreams';
/** As the peers' fake pods answered. */
export const ANSWER_BYTES = 295;

const HEAD_END = Buffer.from('\r\n\r\n');
const LENGTH = Buffer.from('content-length: ');
const NOTHING: Uint8Array = new Uint8Array();

/** Value of the content-length header as Envoy writes it, 0 when there is none. */
function contentLength(head: Buffer, end: number): number {
  let at = head.indexOf(LENGTH);
  if (at < 0 || at > end) return 0;
  let length = 0;
  for (at += LENGTH.length; head[at]! >= 0x30; at++) length = length * 10 + head[at]! - 0x30;
  return length;
}

function answerOf(endpoint: number): Buffer {
  const body = (length: number): string => `{"choices":[{"text":"${'x'.repeat(length)}"}]}`;
  const empty = body(0).length;
  return Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-upstream: ${String(endpoint).padStart(2, '0')}\r\ncontent-length: ${ANSWER_BYTES}\r\n\r\n${body(ANSWER_BYTES - empty)}`,
  );
}

/** Reads requests off one connection: heads are looked at for their length, bodies are only counted. */
function serve(socket: Socket, answer: Buffer): void {
  let head: Uint8Array = NOTHING;
  let left = 0;
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const start = head.length > 0 ? Buffer.concat([head, chunk.subarray(at)]) : chunk.subarray(at);
        const end = start.indexOf(HEAD_END);
        if (end < 0) {
          head = start;
          return;
        }
        left = contentLength(start, end);
        at += end + HEAD_END.length - head.length;
        head = NOTHING;
      }
      const taken = Math.min(left, chunk.length - at);
      left -= taken;
      at += taken;
      if (left === 0) socket.write(answer);
    }
  });
}

/** The child's main: opens `count` ports and reports them. */
export async function runUpstreams(count: number): Promise<void> {
  const servers = Array.from({ length: count }, (_, endpoint): Server => {
    const answer = answerOf(endpoint);
    return createServer((socket) => serve(socket, answer));
  });
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))),
    ),
  );
  process.on('message', () => process.send!({ cpuUs: cpuUs() }));
  process.on('disconnect', () => process.exit(0));
  process.send!({ ports });
}

export function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
