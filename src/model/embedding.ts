/** Token embedding on the device: rows of the table, or of the media store. */
import { embed, embedTexture } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Tensor } from "../gpu/tensor.ts";
import { FORMAT_CODE, type Linear } from "./linear.ts";

export interface EmbeddingRows {
  rows: number;
  /** Ids; bit 31 set: the id drawn last in that slot. */
  token: Tensor;
  /** Row of the media store + 1, or 0. */
  media: Tensor;
  /** Ids drawn last, by slot. */
  drawn: Tensor;
  /** Media embeddings [media rows, hidden]. */
  store: Tensor;
}

/** out [rows, hidden] = the table's row of each id, or the media row in its place. */
export function embedTokens(pass: Pass, table: Linear, input: EmbeddingRows, out: Tensor): void {
  const { rows, token, media, drawn, store } = input;
  const constants = { FORMAT: FORMAT_CODE[table.format] };
  for (const shard of table.shards) {
    const shape = {
      rows,
      first: shard.first,
      quads: shard.rows / 4,
      words: out.stride / 8,
      out_stride: out.stride,
      media_stride: store.stride,
    };
    if (shard.data.kind === "buffer") {
      const { weight, scales } = shard.data;
      pass.run(embed, { token, media, drawn, weight, scales, store, out }, shape, constants);
    } else {
      const { weight, scalesAt } = shard.data;
      pass.run(
        embedTexture,
        { token, media, drawn, weight, store, out },
        { ...shape, scales_at: scalesAt },
        constants,
      );
    }
  }
}
