// `/metrics` with vLLM's names and labels: what concerns load and cache.
import type { EngineVersion } from './options.js';

export class Histogram {
  count = 0;
  sum = 0;
  private readonly bounds: readonly number[];
  private readonly buckets: number[];

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.buckets = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.count++;
    this.sum += value;
    for (let i = this.bounds.length - 1; i >= 0 && value <= this.bounds[i]!; i--) this.buckets[i]!++;
  }

  lines(name: string, labels: Labels): string[] {
    const at = (le: string, value: number): string => `${name}_bucket${labelText({ ...labels, le })} ${float(value)}`;
    return [
      ...this.bounds.map((bound, i) => at(float(bound), this.buckets[i]!)),
      at('+Inf', this.count),
      `${name}_count${labelText(labels)} ${float(this.count)}`,
      `${name}_sum${labelText(labels)} ${this.sum}`,
    ];
  }
}

type Labels = Readonly<Record<string, string>>;

const labelText = (labels: Labels): string => {
  const names = Object.keys(labels).sort();
  return names.length === 0 ? '' : `{${names.map((name) => `${name}="${labels[name]}"`).join(',')}}`;
};

/** As Python prints a float. */
const float = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

const SECONDS_TO_FIRST_TOKEN = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const SECONDS_BETWEEN_TOKENS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const SECONDS_OF_REQUEST = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

/** What only requests tell; the rest is read from scheduler and cache when asked. */
export class RequestMetrics {
  readonly startedAtSeconds = Date.now() / 1000;
  readonly firstToken = new Histogram(SECONDS_TO_FIRST_TOKEN);
  readonly betweenTokens = new Histogram(SECONDS_BETWEEN_TOKENS);
  readonly queued = new Histogram(SECONDS_OF_REQUEST);
  readonly whole = new Histogram(SECONDS_OF_REQUEST);
  readonly finished = { stop: 0, length: 0, abort: 0, error: 0, repetition: 0 };
  promptTokens = 0;
  cachedTokens = 0;
  generatedTokens = 0;
}

export interface LoadSnapshot {
  readonly model: string;
  readonly version: EngineVersion;
  readonly rank: number;
  readonly running: number;
  readonly waiting: number;
  readonly usedBlocks: number;
  readonly usableBlocks: number;
  readonly blockSize: number;
  readonly prefixCaching: boolean;
  readonly queries: number;
  readonly hits: number;
  readonly preemptions: number;
  readonly lora: { readonly most: number; readonly running: string; readonly waiting: string } | undefined;
}

export function renderMetrics(load: LoadSnapshot, requests: RequestMetrics): string {
  const out: string[] = [];
  const base: Labels = { engine: String(load.rank), model_name: load.model };
  const metric = (name: string, type: string, help: string, samples: readonly (readonly [Labels, number])[]): void => {
    const sampleName = type === 'counter' ? `${name}_total` : name;
    out.push(`# HELP ${sampleName} ${help}`, `# TYPE ${sampleName} ${type}`);
    for (const [labels, value] of samples) out.push(`${sampleName}${labelText(labels)} ${float(value)}`);
  };
  const one = (name: string, type: string, help: string, value: number): void => metric(name, type, help, [[base, value]]);
  const by = (name: string, type: string, help: string, label: string, values: Readonly<Record<string, number>>): void =>
    metric(
      name,
      type,
      help,
      Object.entries(values).map(([key, value]) => [{ ...base, [label]: key }, value]),
    );
  const histogram = (name: string, help: string, values: Histogram): void => {
    out.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...values.lines(name, base));
  };

  metric('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch in seconds.', [
    [{}, requests.startedAtSeconds],
  ]);
  one('vllm:num_requests_running', 'gauge', 'Number of requests in model execution batches.', load.running);
  one('vllm:num_requests_waiting', 'gauge', 'Number of requests waiting to be processed.', load.waiting);
  by('vllm:num_requests_waiting_by_reason', 'gauge', 'Number of waiting requests by reason.', 'reason', {
    capacity: load.waiting,
    deferred: 0,
  });
  by('vllm:engine_sleep_state', 'gauge', 'Engine sleep state; awake = 1 means engine is awake.', 'sleep_state', {
    awake: 1,
    weights_offloaded: 0,
    discard_all: 0,
  });
  one('vllm:kv_cache_usage_perc', 'gauge', 'KV-cache usage. 1 means 100 percent usage.', load.usedBlocks / load.usableBlocks);
  one('vllm:prefix_cache_queries', 'counter', 'Prefix cache queries, in terms of number of queried tokens.', load.queries);
  one('vllm:prefix_cache_hits', 'counter', 'Prefix cache hits, in terms of number of cached tokens.', load.hits);
  one('vllm:external_prefix_cache_queries', 'counter', 'External prefix cache queries, in tokens.', 0);
  one('vllm:external_prefix_cache_hits', 'counter', 'External prefix cache hits, in tokens.', 0);
  one('vllm:num_preemptions', 'counter', 'Cumulative number of preemption from the engine.', load.preemptions);
  one('vllm:prompt_tokens', 'counter', 'Number of prefill tokens processed.', requests.promptTokens);
  by('vllm:prompt_tokens_by_source', 'counter', 'Number of prompt tokens by source.', 'source', {
    local_compute: requests.promptTokens - requests.cachedTokens,
    local_cache_hit: requests.cachedTokens,
    external_kv_transfer: 0,
  });
  one('vllm:prompt_tokens_cached', 'counter', 'Number of cached prompt tokens (local + external).', requests.cachedTokens);
  if (load.version === '0.32') {
    const tiers = { device: requests.cachedTokens, host: 0, p2p: 0, disk: 0, external_unspecified: 0 };
    by('vllm:prompt_tokens_cached_by_source', 'counter', 'Prefix-cache hit tokens by the cache tier that supplied them.', 'source', tiers);
  }
  one('vllm:generation_tokens', 'counter', 'Number of generation tokens processed.', requests.generatedTokens);
  by('vllm:request_success', 'counter', 'Count of successfully processed requests.', 'finished_reason', requests.finished);
  if (load.version === '0.32') one('vllm:admission_rejections', 'counter', 'Requests rejected at admission.', 0);
  histogram('vllm:time_to_first_token_seconds', 'Histogram of time to first token in seconds.', requests.firstToken);
  histogram('vllm:inter_token_latency_seconds', 'Histogram of inter-token latency in seconds.', requests.betweenTokens);
  histogram('vllm:request_queue_time_seconds', 'Histogram of time spent in WAITING phase for request.', requests.queued);
  histogram('vllm:e2e_request_latency_seconds', 'Histogram of e2e request latency in seconds.', requests.whole);
  const { block_size, num_gpu_blocks } = { block_size: String(load.blockSize), num_gpu_blocks: String(load.usableBlocks + 1) };
  const info: Labels = {
    block_size,
    cache_dtype: 'auto',
    enable_prefix_caching: load.prefixCaching ? 'True' : 'False',
    engine: String(load.rank),
    num_cpu_blocks: 'None',
    num_gpu_blocks,
    prefix_caching_hash_algo: 'sha256',
    sliding_window: 'None',
    ...(load.version === '0.32' && {
      effective_attention_block_size: block_size,
      kv_cache_size_tokens: String((load.usableBlocks + 1) * load.blockSize),
      prefix_match_unit: 'None',
    }),
  };
  metric('vllm:cache_config_info', 'gauge', 'Information of the LLMEngine CacheConfig', [[info, 1]]);
  if (load.lora !== undefined) {
    const { most, running, waiting } = load.lora;
    const labels = { max_lora: String(most), running_lora_adapters: running, waiting_lora_adapters: waiting };
    metric('vllm:lora_requests_info', 'gauge', 'Running stats on lora requests.', [[labels, Date.now() / 1000]]);
  }
  return `${out.join('\n')}\n`;
}
