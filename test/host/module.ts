import { readFileSync } from 'node:fs';
import { PROXY_CALLBACKS, PROXY_FUNCTIONS } from './abi';
import { HostError } from './errors';
import { readSections } from './wasm-sections';

export interface FilterModule {
  readonly module: WebAssembly.Module;
  readonly exports: ReadonlySet<string>;
}

/** Loads a module as Envoy would (facts §2), with a clear message where Envoy only says that it cannot. */
export function loadModule(wasm: string | Uint8Array): FilterModule {
  const bytes = typeof wasm === 'string' ? readFileSync(wasm) : wasm;
  const { functions, others, hasStart } = readSections(bytes);
  const problems: string[] = [];
  for (const { module, name, parameters, results } of functions) {
    const expected = module === 'env' ? (PROXY_FUNCTIONS as Record<string, string>)[name] : undefined;
    if (expected === undefined) problems.push(`imports ${module}.${name}, which Envoy does not have`);
    else if (expected !== parameters || results !== 'i') {
      problems.push(`imports ${name} as (${parameters}) → ${results || 'nothing'} instead of (${expected}) → i`);
    }
  }
  for (const name of others) problems.push(`imports ${name}, which is not a function`);
  if (hasStart) problems.push('has a start section, which runs before its memory is wired to the host: export _initialize');

  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const exported = WebAssembly.Module.exports(module);
  const exports = new Set(exported.map(({ name }) => name));
  if (!exports.has('proxy_abi_version_0_2_1')) problems.push('does not export proxy_abi_version_0_2_1');
  if (!exports.has('proxy_on_memory_allocate') && !exports.has('malloc')) problems.push('does not export proxy_on_memory_allocate');
  if (exported.filter(({ kind }) => kind === 'memory').length !== 1) problems.push('does not export exactly one memory');
  for (const name of exports) {
    if (name.startsWith('proxy_') && !PROXY_CALLBACKS.has(name)) problems.push(`exports ${name}, which nobody calls`);
  }
  if (problems.length) throw new HostError('MODULE', `Envoy would not load this module: it ${problems.join('; it ')}`);
  return { module, exports };
}
