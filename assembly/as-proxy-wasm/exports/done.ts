import { find } from '../dispatch';

/** For contexts that must outlive their end, or want to know it before `onDelete`. */
export function proxy_on_done(id: u32): bool {
  const context = find(id);
  return context === null || context.onDone();
}
