import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from './bootstrap';

/** Puts listeners where an Envoy with `listenersDirectory` reads them: written beside, then renamed, so that it never sees half. */
export async function writeListeners(directory: string, listeners: readonly Json[]): Promise<void> {
  const resources = listeners.map((listener) => ({ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', ...listener }));
  const next = join(directory, `.next-${process.hrtime.bigint()}.json`);
  await writeFile(next, JSON.stringify({ version_info: `${Date.now()}`, resources }));
  await rename(next, join(directory, 'listeners.json'));
}
