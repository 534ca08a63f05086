// Binding ZMQ sockets on 127.0.0.1, to a free port or to one that was closed a moment ago.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'zeromq';

const ATTEMPTS = 100;

interface Bindable extends Socket {
  bind(address: string): Promise<void>;
}

/** Binds the port (a free one without it) and says where. A closed socket gives its port back a moment later. */
export async function opened(socket: Bindable, port: number | undefined): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      await socket.bind(`tcp://127.0.0.1:${port ?? '*'}`);
      return socket.lastEndpoint!;
    } catch (error) {
      if (port === undefined || attempt === ATTEMPTS) throw error;
      await sleep(10);
    }
  }
}

export const portOf = (endpoint: string): number => Number(new URL(endpoint).port);
