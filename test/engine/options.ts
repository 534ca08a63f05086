// Everything that can be set about a simulated engine.

export type EngineVersion = '0.23' | '0.32';

/** How batches look on the wire: array events (to 0.23), map events in an array batch (0.24 on), map batch (one commit of main). */
export type EventLayout = 'arrays' | 'maps' | 'map-batch';

export interface TimingOptions {
  /** per prompt token that is not read from the cache; default 0 */
  readonly prefillMsPerToken?: number;
  /** per decode step: one token of every running sequence; default 0 */
  readonly decodeMsPerToken?: number;
  /** per step, whatever it does; default 0 */
  readonly stepMs?: number;
}

export interface EventOptions {
  /** central endpoint to connect to, such as `tcp://127.0.0.1:5557`; without it the engine binds a port of its own */
  readonly dial?: string;
  /** port to bind; default: a free one */
  readonly port?: number;
  /** default `kv@127.0.0.1:<http port>@<model>` */
  readonly topic?: string;
  /** default: what the version sends */
  readonly layout?: EventLayout;
  /** low 64 bits as unsigned integer (default), or 32 bytes */
  readonly hashes?: 'uint64' | 'bytes';
  /** data_parallel_rank in every batch; default 0; null = nil */
  readonly rank?: number | null;
  /** whether there is a replay socket; default true (vLLM's own default is none) */
  readonly replay?: boolean;
  /** port of the replay socket; default: a free one */
  readonly replayPort?: number;
  /** frames of a replay reply behind the empty one: 2 = [seq, payload] (to 0.25), 3 = [topic, seq, payload]; default by version */
  readonly replayFrames?: 2 | 3;
  /** batches kept for replay; default 10,000 */
  readonly bufferSteps?: number;
  /** first sequence number; default 0 */
  readonly firstSequence?: number;
  /** holds every batch back for so long; default 0 */
  readonly delayMs?: number;
}

export interface EngineOptions {
  /** value of the `x-engine` response header; default `127.0.0.1:<port>` */
  readonly name?: string;
  /** default 0.32 */
  readonly version?: EngineVersion;
  /** default `tiny-qwen3` */
  readonly model?: string;
  /** further names of the base model */
  readonly aliases?: readonly string[];
  /** adapters, chosen by their name as `model` */
  readonly loras?: readonly string[];
  /** tokens per KV block; default 16 */
  readonly blockSize?: number;
  /** KV blocks, of which one is never used; default 2,048 */
  readonly blocks?: number;
  /** sequences that run at once; more wait; default 16 */
  readonly maxSequences?: number;
  /** tokens computed per step; longer prefills go on in the next step; default 2,048 */
  readonly tokenBudget?: number;
  /** default: what fits into the KV cache, 40,960 at most */
  readonly maxModelLength?: number;
  /** default true */
  readonly prefixCaching?: boolean;
  /** `--enable-prompt-tokens-details`; default true */
  readonly usageDetails?: boolean;
  /** `/render` endpoints: always there on 0.23; on 0.32 only with `--enable-scale-out`; default true */
  readonly render?: boolean;
  /** tokens of an answer whose request has neither `ignore_eos` nor a smaller limit; default 128 */
  readonly answerTokens?: number;
  /** HTTP port on 127.0.0.1; default: a free one */
  readonly port?: number;
  readonly timing?: TimingOptions;
  /** false: no KV events */
  readonly events?: EventOptions | false;
}
