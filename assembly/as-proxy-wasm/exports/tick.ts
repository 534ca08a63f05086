import { findRoot } from '../dispatch';

export function proxy_on_tick(root: u32): void {
  const context = findRoot(root);
  if (context !== null) context.onTick();
}
