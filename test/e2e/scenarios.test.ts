import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModule } from '../host/index';
import { filterPath } from './fleet';
import type { Gateway, Setup } from './gateway';
import { envoyGateway } from './gateway-envoy';
import { hostGateway } from './gateway-host';
import { SCENARIOS } from './scenarios';

// One list of scenarios for the release filter, three gateways.

const GATEWAYS = {
  'Node host': (setup: Setup) => hostGateway(loadModule(filterPath()), setup),
  'Envoy 1.40.0': (setup: Setup) => envoyGateway('1.40.0', setup),
  'Envoy 1.37.0': (setup: Setup) => envoyGateway('1.37.0', setup),
} as const;

const setups = new Map<string, Setup>(SCENARIOS.map(({ setup }) => [JSON.stringify(setup), setup]));

describe.each(Object.entries(GATEWAYS))('%s', (_, start) => {
  describe.each([...setups])('with %s', (key, setup) => {
    let gateway: Gateway;
    beforeAll(async () => {
      gateway = await start(setup);
    });
    afterAll(() => gateway?.stop());
    test.each(SCENARIOS.filter((scenario) => JSON.stringify(scenario.setup) === key))('$name', async ({ run, expected }) => {
      expect(await run(gateway)).toEqual(expected);
    });
  });
});
