import { PROXY_FUNCTIONS, type ProxyFunction } from '../abi';
import type { Vm } from '../vm';
import { type Implementations, wrap } from './border';
import { data } from './data';
import { general, grpc } from './general';
import { buffers, headers } from './headers';

const implementations: Implementations = { ...general, ...grpc, ...headers, ...buffers, ...data };

/** The import module `env` for one VM: every function that Envoy has, and no other. */
export function proxyImports(vm: Vm): Record<ProxyFunction, (...parameters: (number | bigint)[]) => number> {
  const names = Object.keys(PROXY_FUNCTIONS) as ProxyFunction[];
  return Object.fromEntries(names.map((name) => [name, wrap(vm, name, implementations[name]!)])) as never;
}
