// The command line: kvane indexer --config FILE
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { readConfig } from './config.js';
import { describe, isKvaneError, KvaneError } from './errors.js';
import { runIndexer } from './indexer.js';
import { VERSION } from './version.js';

const HELP = `kvane ${VERSION}: prefix-cache-aware routing inside Envoy

Usage:
  kvane indexer --config FILE   follow engines and serve summaries to the filter
      --insecure                without a token, as \`insecure: true\` in FILE
  kvane --version
  kvane --help

FILE is YAML or JSON. Logs are JSON lines on standard output.
Exit status: 0 stopped by a signal, 1 failed while running, 2 wrong command line or configuration.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

function refuse(message: string): never {
  process.stderr.write(`kvane: ${message}\n`);
  process.exit(EXIT_USAGE);
}

function commandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        insecure: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    return refuse(`${describe(error)} (see kvane --help)`);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = commandLine();
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.version) {
    process.stdout.write(`${VERSION}\n`);
    return;
  }
  if (positionals.length !== 1 || positionals[0] !== 'indexer')
    refuse(`there is one command: kvane indexer --config FILE (see kvane --help)`);
  if (!values.config) refuse('--config FILE is required');
  const config = readConfig(values.config, values.insecure ? { insecure: true } : {});
  const log = pino({ level: config.logLevel });
  const starting = runIndexer(config, { log, processMetrics: true });
  // Before it has started: a signal that comes while it starts must stop it cleanly too.
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping');
    starting
      .then((indexer) => indexer.stop())
      .then(
        () => process.exit(0),
        (err: unknown) => {
          log.error({ err }, 'could not stop cleanly');
          process.exit(EXIT_FAILED);
        },
      );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await starting;
}

main().catch((error: unknown) => {
  if (isKvaneError(error, 'config.invalid') || isKvaneError(error, 'config.unreadable') || isKvaneError(error, 'events.bind'))
    refuse(error.message);
  process.stderr.write(`kvane: ${error instanceof KvaneError ? error.message : describe(error)}\n`);
  process.exit(EXIT_FAILED);
});
