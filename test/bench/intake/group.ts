// `intake`: raw event payloads into the residency index, as DESIGN section 9 defines it: one operation is one stored or removed
// block, as many of each, distinct chains, eight stored blocks per payload, every pod full.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { number, type Row } from '../report.js';
import type { BenchOptions, GroupResult } from '../types.js';
import { type IntakeOptions, type IntakeResult, measureIntake } from './measure.js';

export const INTAKE_ROLE = 'intake';
const BLOCK_SIZES = [16, 64] as const;
const FULL = { pods: 64, blocksPerPod: 30_000, rounds: 40 };
const QUICK = { pods: 4, blocksPerPod: 2_048, rounds: 2 };

export async function benchIntake({ quick }: BenchOptions): Promise<GroupResult> {
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const blockTokens of BLOCK_SIZES) {
    const options = { blockTokens, ...(quick ? QUICK : FULL) };
    // Memory is measured, so a process of its own; the smoke test has no bundle to start.
    const result = quick ? await measureIntake(options) : await measureApart(options);
    const id = `intake/${blockTokens}`;
    rows.push(
      { id, metric: 'operations_per_cpu_second', value: result.operationsPerCpuSecond },
      { id, metric: 'bytes_per_resident_block', value: result.bytesPerBlock },
      { id, metric: 'stream_operations_per_cpu_second', value: result.streamOperationsPerCpuSecond },
      { id, metric: 'publish_cpu_us_per_changed_block', value: result.publishUsPerBlock },
    );
    notes.push(
      `${blockTokens}-token blocks: ${number(result.keysPerBlock)} keys and ${number(result.bytesOfText)} B of text per block, payloads of ${number(result.payloadBytes)} B`,
    );
  }
  notes.push('stream_: the same through the stream (sequence, replay state) and its metrics, as in the daemon');
  return { rows, notes };
}

function measureApart(options: IntakeOptions): Promise<IntakeResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [INTAKE_ROLE, JSON.stringify(options)]);
    child.once('message', (result) => resolve(result as IntakeResult));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`the intake process ended with ${code ?? signal}`)));
  });
}

/** What the process of its own does. */
export async function runIntakeRole(options: string): Promise<void> {
  const result = await measureIntake(JSON.parse(options) as IntakeOptions);
  await new Promise((resolve) => process.send!(result, resolve));
}
