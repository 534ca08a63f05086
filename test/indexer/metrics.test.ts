import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createMetrics } from '../../indexer/metrics.js';

const root = fileURLToPath(new URL('../../indexer', import.meta.url));
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'metrics.ts')
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n');

test('every metric is used, has a help text, a prefix and a base unit', async () => {
  const { registry, ...metrics } = createMetrics();
  for (const name of Object.keys(metrics)) expect(sources, `metrics.${name} is used nowhere`).toMatch(new RegExp(`metrics\\.${name}\\b`));
  for (const { name, help, type } of await registry.getMetricsAsJSON()) {
    expect(help.length, name).toBeGreaterThan(20);
    expect(name).toMatch(/^kvane_[a-z_]+$/);
    expect(name).not.toMatch(/_(ms|milliseconds|kb|percent)$/);
    if (String(type) === 'counter') expect(name).toMatch(/_total$/);
  }
});
