import asc from 'assemblyscript/asc';

/**
 * Compiles a few lines of AssemblyScript in memory: for modules that do what `as-proxy-wasm` would not let them do. Host functions
 * are declared as `@external('env', 'proxy_…')`; what makes a module loadable is added.
 */
export async function assemble(source: string, { complete = true, options = {} as Record<string, unknown> } = {}): Promise<Uint8Array> {
  const rest = `
    export function proxy_abi_version_0_2_1(): void {}
    export function proxy_on_memory_allocate(size: usize): usize { return heap.alloc(size); }
  `;
  const defaults = { optimizeLevel: 1, runtime: 'stub', initialMemory: 1, exportStart: '_initialize', use: ['abort='] };
  const given = Object.entries({ ...defaults, ...options }).filter(([, value]) => value !== undefined);
  const { binary, stderr, error } = await asc.compileString(source + (complete ? rest : ''), Object.fromEntries(given));
  if (!binary) throw new Error(`${error?.message}\n${stderr.toString()}`);
  return binary;
}

/** Declares host functions for `assemble`: name and number of i32 parameters. */
export function declare(functions: Readonly<Record<string, number>>): string {
  return Object.entries(functions)
    .map(([name, count]) => {
      const parameters = Array.from({ length: count }, (_, i) => `p${i}: i32`).join(', ');
      return `@external('env', '${name}') declare function ${name}(${parameters}): i32;`;
    })
    .join('\n');
}
