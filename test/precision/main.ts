// `npm run precision -- [DIR…] [--json FILE] [--tokenizer DIR]`: how precisely kvane predicts what a recorded engine had cached.
// Predictions see event messages and request bodies only; answers score them. Exit 0: the bars are met; 1: they are not; 2: usage.
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe } from '../../indexer/errors.js';
import { type Recording, readRecording } from '../fixtures/recording.js';
import { loadModel, type Model, packageRoot } from './model.js';
import { replay } from './replay.js';
import { reportJson, reportText } from './report.js';
import { score } from './score.js';

const USAGE = 'usage: npm run precision -- [DIR…] [--json FILE] [--tokenizer DIR]';
const FIXTURES = ['vllm-0.23.0', 'vllm-0.32.0'];

class UsageError extends Error {}

interface Arguments {
  readonly dirs: readonly string[];
  readonly json: string | undefined;
  readonly tokenizer: string | undefined;
}

function readArguments(): Arguments {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'string' }, tokenizer: { type: 'string' } },
    });
    const dirs = positionals.length > 0 ? positionals : FIXTURES.map((name) => join(packageRoot(), 'test/fixtures', name));
    return { dirs, json: values.json, tokenizer: values.tokenizer };
  } catch (error) {
    throw new UsageError(`${describe(error)}\n${USAGE}`);
  }
}

function read(dir: string): Recording {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`${dir}: no such directory\n${USAGE}`);
  try {
    return readRecording(dir);
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

async function model(folder: string | undefined): Promise<Model> {
  try {
    return await loadModel(folder);
  } catch (error) {
    throw new UsageError(describe(error));
  }
}

async function main(): Promise<number> {
  const { dirs, json, tokenizer } = readArguments();
  // All directories first: a typing error should not cost a minute.
  for (const dir of dirs) read(dir);
  const loaded = await model(tokenizer);
  if (loaded.reason !== undefined) console.log(`chats cannot be rendered: ${loaded.reason}`);
  const reports: object[] = [];
  let failures = 0;
  for (const dir of dirs) {
    const replayed = await replay(read(dir), loaded);
    const result = score(replayed);
    failures += result.failures.length;
    reports.push(reportJson(dir, replayed, result));
    console.log(`${reportText(dir, replayed, result)}\n`);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ recordings: reports }, undefined, 2)}\n`);
  const recordings = `${dirs.length} recording${dirs.length === 1 ? '' : 's'}`;
  console.log(failures === 0 ? `precision: ${recordings}, every bar is met` : `precision: ${recordings}, ${failures} failures`);
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof UsageError ? `precision: ${error.message}` : error);
  process.exitCode = 2;
}
