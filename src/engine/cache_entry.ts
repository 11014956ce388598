/** One block of the prefix cache. */

/** Everything that the KV rows of one full block depend on, besides the blocks before it. */
export interface BlockContent {
  ids: Uint32Array;
  /** [axes, blockSize]; null: plain counting. */
  positions: Float32Array | null;
  /** Digests of media with their places, as text. */
  media: string;
}

export interface CacheEntry extends BlockContent {
  key: string;
  parent: CacheEntry | null;
  salt: string;
  block: number;
}
