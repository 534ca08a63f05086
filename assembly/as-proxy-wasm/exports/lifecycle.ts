// Every module exports these.
import { createContext, deleteContext, findRoot } from '../dispatch';

export { proxy_on_memory_allocate } from '../memory';

/** Tells the host which ABI it is; never called. */
export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_context_create(id: u32, parent: u32): void {
  createContext(id, parent);
}

export function proxy_on_vm_start(root: u32, vmConfigurationBytes: u32): bool {
  const context = findRoot(root);
  return context !== null && context.onStart(vmConfigurationBytes);
}

export function proxy_on_configure(root: u32, configurationBytes: u32): bool {
  const context = findRoot(root);
  return context !== null && context.onConfigure(configurationBytes);
}

export function proxy_on_delete(id: u32): void {
  deleteContext(id);
}
