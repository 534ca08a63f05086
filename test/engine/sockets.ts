// Opening and closing ZMQ sockets on 127.0.0.1 so that a port can be used again right after.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Socket } from 'zeromq';

const ATTEMPTS = 100;

interface Bindable extends Socket {
  bind(address: string): Promise<void>;
  unbind(address: string): Promise<void>;
}

/** Binds the port (a free one without it) and says where. A port that was just closed may take a moment to come free. */
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

export async function closed(socket: Bindable, endpoint: string | undefined): Promise<void> {
  if (socket.closed) return;
  if (endpoint !== undefined) await socket.unbind(endpoint).catch(() => {});
  socket.close();
}

export const portOf = (endpoint: string): number => Number(new URL(endpoint).port);
