// A poller that keeps what a filter keeps: epoch, sequence, snapshot parts; it checks the order of what it gets.
import * as format from '../../assembly/core/summary/format.js';

export interface Message {
  readonly kind: number;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly base: bigint;
  readonly part: number;
  readonly parts: number;
  readonly bytes: Buffer;
  /** Section types with their bodies. */
  readonly sections: readonly { readonly type: number; readonly a: number; readonly b: number; readonly body: Buffer }[];
}

export function readMessages(answer: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < answer.length; ) {
    const head = answer.subarray(at);
    if (head.readUInt32LE(format.AT_MAGIC) !== format.MAGIC) throw new Error('no message here');
    const bytes = head.subarray(0, format.HEADER_BYTES + head.readUInt32LE(format.AT_LENGTH));
    const sections = [];
    for (let s = format.HEADER_BYTES; s < bytes.length; ) {
      const length = bytes.readUInt32LE(s + format.AT_SECTION_LENGTH);
      const body = bytes.subarray(s + format.SECTION_BYTES, s + format.SECTION_BYTES + length);
      sections.push({ type: bytes[s]!, a: bytes[s + format.AT_SECTION_A]!, b: bytes.readUInt16LE(s + format.AT_SECTION_B), body });
      s += format.SECTION_BYTES + length;
    }
    messages.push({
      kind: bytes[format.AT_KIND]!,
      epoch: bytes.readBigUInt64LE(format.AT_EPOCH),
      sequence: bytes.readBigUInt64LE(format.AT_SEQUENCE),
      base: bytes.readBigUInt64LE(format.AT_BASE_SEQUENCE),
      part: bytes.readUInt32LE(format.AT_PART),
      parts: bytes.readUInt32LE(format.AT_PARTS),
      bytes,
      sections,
    });
    at += bytes.length;
  }
  return messages;
}

const hex = (epoch: bigint): string => epoch.toString(16).padStart(16, '0');

export class Poller {
  epoch = 0n;
  sequence = 0n;
  snapshot: { epoch: bigint; sequence: bigint; next: number } | undefined;
  snapshots = 0;
  deltas = 0;
  /** Largest answer seen, bytes. */
  largest = 0;

  constructor(
    readonly url: string,
    readonly pool: string,
    readonly options: { token?: string; proxy?: string; inflight?: Record<string, Record<string, number>> } = {},
  ) {}

  body(waitMs: number): object {
    const { epoch, sequence, snapshot } = this;
    const own = {
      name: this.pool,
      epoch: hex(epoch),
      sequence: Number(sequence),
      ...(snapshot && { snapshot: { epoch: hex(snapshot.epoch), sequence: Number(snapshot.sequence), next: snapshot.next } }),
    };
    const { proxy = 'test', inflight } = this.options;
    return { version: 1, proxy, wait_ms: waitMs, pools: [own], ...(inflight && { inflight }) };
  }

  /** One poll; what came is applied and returned. */
  async poll(waitMs = 0): Promise<Message[]> {
    const { token } = this.options;
    const response = await fetch(`${this.url}/v1/poll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify(this.body(waitMs)),
    });
    if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
    if (response.headers.get('x-kvane-format') !== '1') throw new Error('no format header');
    const answer = Buffer.from(await response.arrayBuffer());
    this.largest = Math.max(this.largest, answer.length);
    const messages = readMessages(answer);
    for (const message of messages) this.take(message);
    return messages;
  }

  /** Polls until nothing more comes at once. */
  async catchUp(): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const messages = await this.poll();
      if (messages.length === 0) return all;
      all.push(...messages);
    }
  }

  private take(message: Message): void {
    if (message.kind === format.KIND_DELTA) {
      if (message.epoch !== this.epoch || message.base !== this.sequence || message.sequence !== this.sequence + 1n) {
        throw new Error(`delta ${message.base} to ${message.sequence} does not follow ${this.sequence}`);
      }
      this.deltas++;
      this.sequence = message.sequence;
      return;
    }
    const { epoch, sequence, part, parts } = message;
    const goesOn = this.snapshot?.sequence === sequence && this.snapshot.epoch === epoch;
    if (part !== 0 && (!goesOn || part !== this.snapshot!.next)) throw new Error(`part ${part} of ${sequence} is out of order`);
    this.snapshot = { epoch, sequence, next: part + 1 };
    if (part + 1 < parts) return;
    this.snapshots++;
    this.epoch = epoch;
    this.sequence = message.sequence;
    this.snapshot = undefined;
  }
}

/** Waits until `check` gives something; for what no event tells. */
export async function eventually<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value as T;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
