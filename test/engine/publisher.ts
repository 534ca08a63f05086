// The PUB socket of one engine: topic, 8-byte big-endian sequence, payload. Binds a port, or dials a central endpoint.
import { EventEmitter, once } from 'node:events';
import { XPublisher } from 'zeromq';
import type { EventOptions } from './options.js';
import { opened } from './sockets.js';

export interface Published {
  readonly sequence: bigint;
  readonly payload: Uint8Array;
}

const MOST_IN_FLIGHT = 100_000;

export function sequenceFrame(sequence: bigint): Buffer {
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64BE(sequence);
  return frame;
}

/** What tests do to the next messages on their way; the replay buffer keeps them whole. */
type Fault = 'drop' | 'duplicate' | 'reorder';

export class EventPublisher {
  readonly topic: string;
  /** where a subscriber connects; undefined when this publisher dials */
  readonly endpoint: string | undefined;
  private readonly socket: XPublisher;
  private readonly changes = new EventEmitter();
  private count = 0;
  private readonly delayMs: number;
  private readonly faults: Fault[] = [];
  private held: Published[] = [];
  private next: bigint;
  private sending: Promise<void> = Promise.resolve();

  private constructor(socket: XPublisher, topic: string, endpoint: string | undefined, options: EventOptions) {
    this.socket = socket;
    this.topic = topic;
    this.endpoint = endpoint;
    this.delayMs = options.delayMs ?? 0;
    this.next = BigInt(options.firstSequence ?? 0);
  }

  static async open(topic: string, options: EventOptions): Promise<EventPublisher> {
    // an XPUB is a PUB to its subscribers, and tells us of them
    const socket = new XPublisher({ sendHighWaterMark: MOST_IN_FLIGHT, linger: 0, verbosity: 'allSubsUnsubs' });
    if (options.dial !== undefined) socket.connect(options.dial);
    const endpoint = options.dial === undefined ? await opened(socket, options.port) : undefined;
    const publisher = new EventPublisher(socket, topic, endpoint, options);
    void publisher.watch();
    return publisher;
  }

  get nextSequence(): bigint {
    return this.next;
  }

  /** Subscriptions right now. */
  get subscribers(): number {
    return this.count;
  }

  /** Resolves when there are at least so many subscriptions: from then on no message is lost on its way to them. */
  async subscribed(count = 1): Promise<void> {
    while (this.count < count) await once(this.changes, 'change');
  }

  /** Numbers the payload and sends it when all before it are on their way. */
  publish(payload: Uint8Array): Published {
    const message = { sequence: this.next++, payload };
    if (this.delayMs > 0) setTimeout(() => this.deliver(message), this.delayMs);
    else this.deliver(message);
    return message;
  }

  /** The next `count` messages are lost, sent twice, or sent in reverse order once all of them are there. */
  inject(fault: Fault, count: number): void {
    for (let i = 0; i < count; i++) this.faults.push(fault);
  }

  /** Resolves when everything published so far (delays aside) has been handed to the socket. */
  async flush(): Promise<void> {
    await this.sending;
  }

  async close(): Promise<void> {
    await this.sending.catch(() => {});
    this.socket.close();
  }

  /** Subscriptions arrive as messages: a byte 1 or 0 for coming and going, and the topic. */
  private async watch(): Promise<void> {
    try {
      for await (const [message] of this.socket) {
        this.count += message?.[0] === 1 ? 1 : -1;
        this.changes.emit('change');
      }
    } catch (error) {
      if (!this.socket.closed) throw error;
    }
  }

  private deliver(message: Published): void {
    const fault = this.faults.shift();
    if (fault === 'drop') return;
    if (fault === 'reorder') {
      this.held.push(message);
      if (this.faults[0] === 'reorder') return;
      for (const late of this.held.reverse()) this.send(late);
      this.held = [];
      return;
    }
    this.send(message);
    if (fault === 'duplicate') this.send(message);
  }

  private send({ sequence, payload }: Published): void {
    const frames = [this.topic, sequenceFrame(sequence), payload];
    this.sending = this.sending.then(() => (this.socket.closed ? undefined : this.socket.send(frames)));
  }
}
