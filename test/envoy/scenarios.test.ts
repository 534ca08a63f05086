import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compiled, compileFilter, PROBE } from '../host/compile';
import { type FilterModule, loadModule } from '../host/index';
import type { Gateway, Setup } from './gateway';
import { envoyGateway } from './gateway-envoy';
import { hostGateway } from './gateway-host';
import { SCENARIOS } from './scenarios';

// One list of scenarios, three gateways: what is expected stands in the list, so equal to it means equal to each other.

let compiled: Compiled;
let wasm: FilterModule;
beforeAll(async () => {
  compiled = await compileFilter(PROBE);
  wasm = loadModule(compiled.path);
});
afterAll(() => compiled.remove());

const GATEWAYS = {
  'Node host': (setup: Setup) => hostGateway(wasm, setup),
  'Envoy 1.40.0': (setup: Setup, id: string) => envoyGateway('1.40.0', compiled.path, setup, join(compiled.path, '..', `lds-1.40.0-${id}`)),
  'Envoy 1.37.0': (setup: Setup, id: string) => envoyGateway('1.37.0', compiled.path, setup, join(compiled.path, '..', `lds-1.37.0-${id}`)),
} as const;

const setups = new Map<string, Setup>(SCENARIOS.map(({ setup }) => [JSON.stringify(setup), setup]));

describe.each(Object.entries(GATEWAYS))('%s', (_, start) => {
  describe.each([...setups])('with %s', (key, setup) => {
    let gateway: Gateway;
    beforeAll(async () => {
      gateway = await start(setup, `${[...setups.keys()].indexOf(key)}`);
    });
    afterAll(() => gateway?.stop());
    test.each(SCENARIOS.filter((scenario) => JSON.stringify(scenario.setup) === key))('$name', async ({ run, expected }) => {
      gateway.mark();
      expect(await run(gateway)).toEqual(expected);
    });
  });
});
