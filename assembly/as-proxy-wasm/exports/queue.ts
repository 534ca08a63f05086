import { findRoot } from '../dispatch';

export function proxy_on_queue_ready(root: u32, queue: u32): void {
  const context = findRoot(root);
  if (context !== null) context.onQueueReady(queue);
}
