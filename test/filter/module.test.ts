import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

// What Envoy links against: an import that it does not register refuses the module, an export that it calls costs every request.
const FILTER = {
  imports: [
    'env.proxy_continue_stream',
    'env.proxy_define_metric',
    'env.proxy_get_buffer_bytes',
    'env.proxy_get_current_time_nanoseconds',
    'env.proxy_get_header_map_value',
    'env.proxy_get_log_level',
    'env.proxy_get_property',
    'env.proxy_get_shared_data',
    'env.proxy_http_call',
    'env.proxy_increment_metric',
    'env.proxy_log',
    'env.proxy_remove_header_map_value',
    'env.proxy_replace_header_map_value',
    'env.proxy_set_effective_context',
    'env.proxy_set_shared_data',
    'env.proxy_set_tick_period_milliseconds',
  ],
  exports: [
    '_initialize',
    'kvane_key',
    'kvane_match',
    'kvane_prompt_bytes',
    'kvane_reason',
    'kvane_strides',
    'memory',
    'proxy_abi_version_0_2_1',
    'proxy_on_configure',
    'proxy_on_context_create',
    'proxy_on_delete',
    'proxy_on_http_call_response',
    'proxy_on_memory_allocate',
    'proxy_on_request_body',
    'proxy_on_request_headers',
    'proxy_on_request_trailers',
    'proxy_on_tick',
    'proxy_on_vm_start',
  ],
  maxBytes: 130_000,
};

describe('the release module', () => {
  const bytes = readFileSync('dist/filter.wasm');
  const module = new WebAssembly.Module(bytes);

  test('imports nothing but what it needs', () => {
    expect(
      WebAssembly.Module.imports(module)
        .map((i) => `${i.module}.${i.name}`)
        .sort(),
    ).toEqual(FILTER.imports);
  });

  test('exports no callback that it does not need: no response callbacks', () => {
    expect(
      WebAssembly.Module.exports(module)
        .map((e) => e.name)
        .sort(),
    ).toEqual(FILTER.exports);
  });

  test('keeps its names for backtraces and stays small', () => {
    expect(WebAssembly.Module.customSections(module, 'name')).toHaveLength(1);
    expect(bytes.length).toBeLessThan(FILTER.maxBytes);
  });

  test('core.wasm needs no host at all', () => {
    expect(WebAssembly.Module.imports(new WebAssembly.Module(readFileSync('dist/core.wasm')))).toEqual([]);
  });
});
