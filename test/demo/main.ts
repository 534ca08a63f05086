// npm run demo: kvane from a KV event to a warm pod, on a real Envoy, and what it is worth under load.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_VERSION, EnvoyUnavailable, getEnvoy } from '../envoy/binary';
import { closeConnections } from './client';
import type { ArmResult } from './load';
import { compareUnderLoad, conversation, samePromptTwice, showComparison } from './scenes';
import type { Score } from './scores';
import { blank, bold, dim, done, failure, heading, line, text } from './screen';
import { BLOCK_TOKENS, BLOCKS, Stage, WORKERS } from './stage';

const HELP = `npm run demo [-- OPTIONS]

  --exit        stop at the end instead of staying open
  --json FILE   also write the results as JSON
  --help
`;
const RISE_MIN = 0.15;

interface Report {
  /** Version of the Envoy that ran; null when none did. */
  readonly envoy: string | null;
  readonly seconds: number;
  readonly arms: { readonly leastRequest: ArmResult; readonly kvane: ArmResult } | null;
  /** Of the first and the second request. */
  readonly scores: readonly (readonly Score[])[];
}

function commandLine() {
  try {
    return parseArgs({ options: { exit: { type: 'boolean' }, json: { type: 'string' }, help: { type: 'boolean', short: 'h' } } }).values;
  } catch (error) {
    process.stderr.write(`demo: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

const options = commandLine();
const start = performance.now();
const stage = new Stage();
let stopping: Promise<void> | undefined;
const stop = (): Promise<void> => {
  closeConnections();
  return (stopping ??= stage.stop());
};

function write(report: Omit<Report, 'seconds'>): void {
  const seconds = Math.round((performance.now() - start) / 100) / 10;
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ ...report, seconds }, null, 2)}\n`);
}

async function begin(): Promise<void> {
  heading(1, 'Starting');
  const envoyPath = await getEnvoy(DEFAULT_VERSION);
  done(`Envoy ${DEFAULT_VERSION}`, `${envoyPath.replace(process.env.HOME ?? '\0', '~')}, unchanged`);
  await stage.startEngines();
  done('four engines', `simulated vLLM: real Qwen3 tokens, KV events over ZMQ, ${BLOCKS - 1} blocks of ${BLOCK_TOKENS} tokens`);
  await stage.startIndexer();
  const rendering = stage.indexer.status()[0]?.rendering;
  done('indexer', `follows the four event streams; learned the chat template from ${rendering?.renders ?? 0} renderings`);
  await stage.startEnvoy(DEFAULT_VERSION);
  done('Envoy', `${WORKERS} workers run kvane’s filter; one poll brought the indexer’s summary to both`);
}

function showUrls(): void {
  heading(5, 'Still open');
  const urls: [string, string][] = [
    ['with kvane', `http://${stage.gateway}/v1/chat/completions`],
    ['without', `http://${stage.plain}/v1/chat/completions`],
    ['Envoy admin', `http://${stage.envoy.admin}`],
    ['indexer', `${stage.indexer.url}/v1/pools   ${stage.indexer.url}/metrics`],
    ...stage.engines.map((engine): [string, string] => [engine.name, `${engine.url}/metrics`]),
  ];
  for (const [name, url] of urls) line(`${name.padEnd(12)} ${url}`);
  blank();
  line(`Stop everything with ${bold('Ctrl-C')}.`);
}

async function run(): Promise<number> {
  blank();
  line(bold('kvane: every LLM request to the pod that already holds its prompt in KV cache, inside Envoy'));
  await begin();
  heading(2, 'The same prompt twice');
  const scores = await samePromptTwice(stage);
  heading(3, 'A conversation');
  await conversation(stage);
  await stage.logScores(false);
  heading(4, 'Under load');
  const arms = await compareUnderLoad(stage);
  await stage.logScores(true);
  blank();
  showComparison(arms);
  blank();
  write({ envoy: DEFAULT_VERSION, arms, scores });
  const rise = arms.kvane.hitShare - arms.leastRequest.hitShare;
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  const summary = `share of prompt tokens found in cache: ${rise >= 0 ? '+' : ''}${(rise * 100).toFixed(1)} points, at least ${RISE_MIN * 100} wanted`;
  if (rise >= RISE_MIN) done('demo', `${summary} (${seconds} s)`);
  else failure(`demo: ${summary} (${seconds} s)`);
  return rise >= RISE_MIN ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping === undefined) process.stdout.write(`\n${dim('   stopping …')}\n`);
    stop().finally(() => process.exit(finished ?? 130));
  });
}

let finished: number | undefined;
try {
  finished = await run();
  if (options.exit) {
    await stop();
    process.exit(finished);
  }
  showUrls();
} catch (error) {
  if (stopping === undefined) {
    blank();
    failure(error instanceof Error ? error.message : String(error));
    if (error instanceof EnvoyUnavailable) text('The demo needs a real Envoy; nothing else of kvane does.');
    write({ envoy: stage.envoy ? DEFAULT_VERSION : null, arms: null, scores: [] });
    await stop();
    process.exit(1);
  }
}
