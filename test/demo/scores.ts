// The filter's own words: the "Calculated score" lines that it writes into Envoy's log, one per endpoint.
import type { Envoy } from '../envoy/process';

export interface Score {
  readonly endpoint: string;
  readonly score: number;
}

interface ScoreLine {
  readonly msg: string;
  readonly 'x-request-id': string;
  readonly endpoint: { readonly name: string };
  readonly score: number;
}

function parse(text: string): ScoreLine | undefined {
  const start = text.indexOf('{"level"');
  if (start < 0) return undefined;
  try {
    return JSON.parse(text.slice(start)) as ScoreLine;
  } catch {
    return undefined;
  }
}

/** The scores of one request, as soon as Envoy has logged its decision, which comes last. */
export async function scoresOf(envoy: Envoy, requestId: string): Promise<Score[]> {
  await envoy.logged(new RegExp(`"msg":"Decision","x-request-id":"${requestId}"`));
  return envoy.log.flatMap(({ text }) => {
    const line = text.includes(requestId) ? parse(text) : undefined;
    return line?.msg === 'Calculated score' ? [{ endpoint: line.endpoint.name, score: line.score }] : [];
  });
}

/** The best score's line, unchanged. */
export function bestScoreLine(envoy: Envoy, requestId: string): string {
  const lines = envoy.log.filter(({ text }) => text.includes('Calculated score') && text.includes(requestId)).map(({ text }) => text);
  const scoreOf = (text: string): number => parse(text)?.score ?? 0;
  const best = lines.reduce((a, b) => (scoreOf(b) > scoreOf(a) ? b : a), lines[0] ?? '');
  return best.slice(Math.max(0, best.indexOf('{"level"')));
}
