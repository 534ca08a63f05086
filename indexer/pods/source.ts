import type { EngineConfig } from '../config.js';

/** Where the endpoints of a pool come from. */
export interface PodSource {
  /** Calls `changed` with all endpoints, at once and whenever they change. */
  start(changed: (engines: readonly EngineConfig[]) => void): void;
  stop(): void;
}

/** The list in the configuration. */
export const staticPods = (engines: readonly EngineConfig[]): PodSource => ({
  start: (changed) => changed(engines),
  stop: () => {},
});
