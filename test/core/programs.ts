// Render programs and summaries around them, made from a seed.
import { CONTENT_FUNCTIONS } from '../../assembly/core/summary/format.js';
import type { PlaneState } from '../../indexer/index/plane.js';
import type { SummaryTables } from '../../indexer/publish/summary.js';
import { writeSnapshot } from '../../indexer/publish/writer.js';
import type { ProgramEntry, RenderProgram, Role } from '../../indexer/templates/program.js';
import { applyMessage, type Core } from './load.js';

/** Park and Miller's generator: numbers below `limit`. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = (seed % 2147483646) + 1;
  return (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
}

const ROLES: readonly Role[] = ['system', 'user', 'assistant', 'tool', 'developer'];
const BOTH = [false, true];
const PIECES = ['<|im_start|>', '\n', '<|', 'é漢', ' ', 'user\n', '\u{1f600}', 'x'.repeat(40), '', '<think>\n\n</think>\n\n'];

/** A program that knows `share` per cent of all places, each with a literal and a content function of its own. */
export function randomProgram(seed: number, share: number, changes: Partial<RenderProgram> = {}): RenderProgram {
  const random = randomFrom(seed);
  const literal = (): Buffer => Buffer.from(Array.from({ length: random(4) }, () => PIECES[random(PIECES.length)]).join(''));
  const entries: ProgramEntry[] = [];
  for (const system of BOTH)
    for (const previous of ['begin', ...ROLES] as Role[])
      for (const role of [...ROLES, 'end'] as Role[])
        for (const afterUser of BOTH)
          for (const last of role === 'end' ? [true] : BOTH)
            if (random(100) < share)
              entries.push({
                system,
                previous,
                role,
                afterUser,
                last,
                literal: literal(),
                content: role === 'end' || random(3) === 0 ? 0 : random(CONTENT_FUNCTIONS),
              });
  return { variant: '{}', nfc: false, chat: true, completionPrefix: literal(), entries, ...changes };
}

/** A program of completions only, without prefix: the prompt is the text itself. */
export const plainProgram: RenderProgram = { variant: '{}', nfc: false, chat: false, completionPrefix: Buffer.alloc(0), entries: [] };

export const CHAIN_SEED = 0x1234_5678_9abc_def0n;
export const NAMESPACE_SEED = 0xfeed_0000_0000_0001n;

export interface Setting {
  readonly program?: RenderProgram;
  readonly strideBytes?: number;
  readonly endpoints?: number;
  readonly planes?: readonly PlaneState[];
  readonly models?: SummaryTables['models'];
}

/** Tables of a pool `p` with ready endpoints 0 … */
export function tablesOf({ program = plainProgram, strideBytes = 16, endpoints = 1, models = [] }: Setting): SummaryTables {
  return {
    parameters: { blockTokens: 16, strideBytes, enabled: true, ageLimitMs: 60_000, chainSeed: CHAIN_SEED, namespaceSeed: NAMESPACE_SEED },
    models,
    endpoints: Array.from({ length: endpoints }, (_, id) => ({
      id,
      address: `10.0.${id >> 8}.${id & 255}:8000`,
      name: `pod-${id}`,
      namespace: 'ns',
      rank: 0,
      ready: true,
    })),
    programs: [program],
  };
}

/** Makes the instance's summary anew. */
export function installSummary(core: Core, setting: Setting): void {
  core.summary_reset();
  const tables = tablesOf(setting);
  const parts = writeSnapshot({ pool: 'p', epoch: 7n, sequence: 1n, publishedMs: 1, tables, load: [], planes: setting.planes ?? [] });
  for (const part of parts) {
    const status = applyMessage(core, part);
    if (status) throw new Error(`snapshot refused: ${status}`);
  }
}
