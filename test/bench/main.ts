// npm run bench [-- GROUP…] [--json FILE] [--quick]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { benchCore } from './core/group.js';
import { benchGateway } from './gateway/group.js';
import { LOAD_ROLE, runLoad } from './gateway/load.js';
import { runUpstreams, UPSTREAMS_ROLE } from './gateway/upstreams.js';
import { benchIntake, INTAKE_ROLE, runIntakeRole } from './intake/group.js';
import { describeMachine } from './machine.js';
import { boundText, judge, number, type Row, tables } from './report.js';
import type { BenchOptions, GroupResult } from './types.js';
import { benchWire } from './wire/group.js';

const GROUPS: Readonly<Record<string, (options: BenchOptions) => Promise<GroupResult>>> = {
  core: benchCore,
  intake: benchIntake,
  wire: benchWire,
  gateway: benchGateway,
};

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, quick: { type: 'boolean', default: false } },
  });
  const unknown = positionals.find((name) => !(name in GROUPS));
  if (unknown !== undefined) {
    console.error(`bench: there is no group ${unknown}; there are ${Object.keys(GROUPS).join(', ')}`);
    return 2;
  }
  const about = describeMachine();
  console.log(
    `${about.machine.cpu}, ${about.machine.cores} cores, load ${about.machine.loadAverage.toFixed(1)}; Node ${about.versions.node}; ${about.commit}\n`,
  );
  const rows: Row[] = [];
  for (const name of positionals.length > 0 ? positionals : Object.keys(GROUPS)) {
    const start = performance.now();
    const result = await GROUPS[name]!({ quick: values.quick });
    console.log(`${tables(result.rows, !values.quick)}\n${result.notes.map((note) => `  ${note}\n`).join('')}`);
    console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s\n`);
    rows.push(...result.rows);
  }
  const missed = values.quick ? [] : judge(rows).filter(({ met }) => !met);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows, ...about, quick: values.quick }, null, 1)}\n`);
  for (const verdict of missed)
    console.log(`missed: ${verdict.row.id} ${verdict.row.metric} ${number(verdict.row.value)} ${boundText(verdict)}`);
  const bars = values.quick ? 'quick: no bars' : `${judge(rows).length - missed.length} of ${judge(rows).length} budgets met`;
  console.log(`bench: ${rows.length} values, ${bars}`);
  return missed.length > 0 ? 1 : 0;
}

/** What a child of a benchmark does, by its first argument. */
const ROLES: Readonly<Record<string, (argument: string) => unknown>> = {
  [INTAKE_ROLE]: runIntakeRole,
  [LOAD_ROLE]: runLoad,
  [UPSTREAMS_ROLE]: (count) => runUpstreams(Number(count)),
};

const role = process.send && ROLES[process.argv[2] ?? ''];
if (role) await role(process.argv[3] ?? '');
else process.exitCode = await main();
