import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Compiled, compileFilter, PROBE } from './compile';
import { type FilterModule, Host, type HostOptions, loadModule } from './index';

let compiled: Compiled;
let probe: FilterModule;
beforeAll(async () => {
  compiled = await compileFilter(PROBE);
  probe = loadModule(compiled.path);
});
afterAll(() => compiled.remove());

const start = (options: Partial<HostOptions> = {}) => Host.start({ wasm: probe, configuration: 'A tick=50', ...options });

test('x', async () => {
  const host = await start({ workers: 2, clusters: { pool: ['10.0.0.1:80', '10.0.0.2:80'], indexer: ['10.0.0.9:80'] } });
  const s = host.request({ headers: { 'x-probe': 'hold log', 'x-want': '10.0.0.2:80' }, body: 'x'.repeat(100000) });
  console.log(s.result, s.text);
  console.log(host.takeLines().join('\n').slice(0, 6000));
  console.log(host.logs.map((l) => l.vm + ' ' + l.text).join('\n'));
});
