// The events that an engine announces about its prefix cache, before any wire format.

/** 32 bytes of SHA-256 as a latin1 string: cheap to make, to compare and to use as a map key. */
export type BlockHash = string;

export interface BlockStored {
  readonly type: 'BlockStored';
  readonly blockHashes: readonly BlockHash[];
  readonly parentBlockHash: BlockHash | null;
  readonly tokenIds: readonly number[];
  readonly blockSize: number;
  readonly loraId: number | null;
  readonly loraName: string | null;
  /** per hash: what else went into it (LoRA name, cache salt), or null */
  readonly extraKeys: readonly (readonly string[] | null)[];
  readonly sessionId: string | null;
}

export interface BlockRemoved {
  readonly type: 'BlockRemoved';
  readonly blockHashes: readonly BlockHash[];
}

export interface AllBlocksCleared {
  readonly type: 'AllBlocksCleared';
}

export type KvEvent = BlockStored | BlockRemoved | AllBlocksCleared;
