// Reads the few lines that matter from an engine's /metrics page (60 KB, thousands of lines) without parsing the rest.
// Names: facts on vLLM, section 11.

export interface RankMetrics {
  readonly running: number;
  readonly waiting: number;
  /** 0..1, blocks of running requests. */
  readonly kvUsage: number;
  /** Counters, tokens. */
  readonly cacheQueries: number;
  readonly cacheHits: number;
  /** From `cache_config_info`. */
  readonly blocks: number | undefined;
  readonly blockTokens: number | undefined;
}

export interface MetricsPage {
  /** Unix time, seconds; another value is another process. */
  readonly startTime: number | undefined;
  /** Of one data-parallel rank; of the page's only engine when the rank is not on it. Undefined: no load on the page. */
  rank(rank: number): RankMetrics | undefined;
}

interface Sample {
  readonly labels: string;
  readonly engine: string | undefined;
  readonly value: number;
}

const BRACE = 0x7b;
const SPACE = 0x20;

/** All samples of a metric, which stand together. `page` begins with a newline. */
function samplesOf(page: string, name: string): Sample[] {
  const samples: Sample[] = [];
  const start = `\n${name}`;
  for (let at = page.indexOf(start); at >= 0; ) {
    const behind = at + start.length;
    const next = page.charCodeAt(behind);
    if (next === BRACE || next === SPACE) {
      const newline = page.indexOf('\n', behind);
      const end = newline < 0 ? page.length : newline;
      samples.push(readSample(page.slice(behind, end)));
      at = page.startsWith(start, end) ? end : -1;
    } else at = page.indexOf(start, behind); // a longer name
  }
  return samples;
}

/** `{labels} value [time]` or ` value`. */
function readSample(rest: string): Sample {
  const close = rest.charCodeAt(0) === BRACE ? rest.lastIndexOf('}') : -1;
  const labels = close < 0 ? '' : rest.slice(1, close);
  const value = rest.slice(close + 1).trim();
  const space = value.indexOf(' ');
  return { labels, engine: labelOf(labels, 'engine'), value: Number(space < 0 ? value : value.slice(0, space)) };
}

function labelOf(labels: string, name: string): string | undefined {
  const start = `${name}="`;
  let at = labels.indexOf(start);
  while (at > 0 && labels.charCodeAt(at - 1) !== 0x2c) at = labels.indexOf(start, at + 1);
  if (at < 0) return undefined;
  const from = at + start.length;
  return labels.slice(from, labels.indexOf('"', from));
}

export function readMetricsPage(text: string): MetricsPage {
  const page = `\n${text}`;
  const cache = new Map<string, Sample[]>();
  const samples = (...names: string[]): Sample[] => {
    for (const name of names) {
      const known = cache.get(name) ?? samplesOf(page, name);
      cache.set(name, known);
      if (known.length > 0) return known;
    }
    return [];
  };
  const of = (rank: number, list: readonly Sample[]): readonly Sample[] => {
    const engines = new Set(list.map(({ engine }) => engine));
    return engines.size < 2 ? list : list.filter(({ engine }) => engine === String(rank));
  };
  const sum = (rank: number, ...names: string[]): number | undefined => {
    const list = of(rank, samples(...names)).filter(({ value }) => Number.isFinite(value));
    return list.length === 0 ? undefined : list.reduce((total, { value }) => total + value, 0);
  };
  return {
    startTime: samples('process_start_time_seconds')[0]?.value,
    rank(rank) {
      const running = sum(rank, 'vllm:num_requests_running');
      const waiting = sum(rank, 'vllm:num_requests_waiting');
      if (running === undefined || waiting === undefined) return undefined;
      const info = of(rank, samples('vllm:cache_config_info'))[0]?.labels ?? '';
      const count = (label: string): number | undefined => Number(labelOf(info, label) ?? Number.NaN) || undefined;
      return {
        running,
        waiting,
        kvUsage: Math.min(1, Math.max(0, sum(rank, 'vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc') ?? 0)),
        cacheQueries: sum(rank, 'vllm:prefix_cache_queries_total', 'vllm:gpu_prefix_cache_queries_total') ?? 0,
        cacheHits: sum(rank, 'vllm:prefix_cache_hits_total', 'vllm:gpu_prefix_cache_hits_total') ?? 0,
        blocks: count('num_gpu_blocks'),
        blockTokens: count('block_size'),
      };
    },
  };
}
