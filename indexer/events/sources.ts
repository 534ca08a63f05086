// Where events come from: one SUB socket per engine that dials out, or one that all engines dial.
import { Subscriber } from 'zeromq';
import { describe, KvaneError } from '../errors.js';
import { MESSAGE_BYTES_MAX } from './replay.js';

export interface SourceHandlers {
  /** A message arrived. */
  message(frames: readonly Buffer[]): void;
  /** The connection (of a dialled engine) is up or was lost. */
  connection?(up: boolean): void;
  /** A message could not be handled, or the socket died: a defect. */
  failed(error: unknown): void;
}

export interface Source {
  /** What is bound; of a dialled engine, what is dialled. */
  readonly address: string;
  close(): void;
}

const options = {
  linger: 0,
  receiveHighWaterMark: 100_000,
  maxMessageSize: MESSAGE_BYTES_MAX,
  reconnectInterval: 100,
  reconnectMaxInterval: 2_000,
  // A peer that vanished without a FIN is noticed within seconds.
  heartbeatInterval: 5_000,
  heartbeatTimeout: 10_000,
  tcpKeepalive: 1,
} as const;

async function pump(socket: Subscriber, handlers: SourceHandlers): Promise<void> {
  try {
    for await (const frames of socket) {
      // One message that cannot be handled must not end the stream.
      try {
        handlers.message(frames);
      } catch (error) {
        handlers.failed(error);
      }
    }
  } catch (error) {
    if (!socket.closed) handlers.failed(error);
  }
}

/** Connects, now and again, to the PUB socket of an engine. */
export function dialSource(endpoint: string, handlers: SourceHandlers): Source {
  const socket = new Subscriber(options);
  socket.events.on('handshake', () => handlers.connection?.(true));
  socket.events.on('disconnect', () => handlers.connection?.(false));
  socket.subscribe();
  socket.connect(endpoint);
  void pump(socket, handlers);
  return { address: endpoint, close: () => socket.close() };
}

/** Binds the endpoint that engines dial, for topics that begin with `topicPrefix`. */
export async function bindSource(endpoint: string, topicPrefix: string, handlers: SourceHandlers): Promise<Source> {
  const socket = new Subscriber(options);
  socket.subscribe(topicPrefix);
  try {
    await socket.bind(endpoint);
  } catch (cause) {
    socket.close();
    throw new KvaneError('events.bind', `cannot bind ${endpoint} for events: ${describe(cause)}`, { cause, fields: { endpoint } });
  }
  const address = socket.lastEndpoint ?? endpoint;
  void pump(socket, handlers);
  return {
    address,
    close: () => {
      if (socket.closed) return;
      void socket.unbind(address).catch(() => {});
      socket.close();
    },
  };
}
