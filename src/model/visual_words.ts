/**
 * Valley2's projector `ovis_conv_adapter` (VALLEY2.md): SigLIP's tokens of a tile as a map → 3×3 convolution of stride 2 →
 * logits over visual words → LayerNorm → softmax → the mean of the words' embeddings.
 * CRITICAL: the convolution comes first; no activation anywhere; LayerNorm's eps is 1e-5.
 */
import { convPatches } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { pad, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { loadLayerNorm, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";
import { softmax } from "./mix.ts";

export interface VisualWordsConfig {
  /** Width of the tower. */
  hidden: number;
  words: number;
  outHidden: number;
  /** Tokens of a tile's side, before the convolution. */
  side: number;
}

const EPS = 1e-5;

export class VisualWords {
  private constructor(
    readonly config: VisualWordsConfig,
    private readonly conv: Linear, // [hidden, 9 · hidden]
    private readonly logits: Linear, // [words, hidden]
    private readonly norm: Norm, // over words
    private readonly embedding: Linear, // [outHidden, words]
    private readonly work: Workspace,
  ) {}

  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: VisualWordsConfig,
    prefix: string,
    precision: Precision,
    work: Workspace,
  ): VisualWords {
    const { hidden, words, outHidden } = config;
    const k = pad(9 * hidden, 8);
    // Kernel columns (row, column, channel) → the checkpoint's (channel, row, column).
    const columns = Int32Array.from(
      { length: k },
      (_, i) => i < 9 * hidden ? (i % hidden) * 9 + Math.floor(i / hidden) : -1,
    );
    return new VisualWords(
      config,
      loadLinear(runtime, checkpoint, {
        name: "projector conv",
        k,
        sources: [{ name: `${prefix}conv.weight`, n: hidden, columns }],
        bias: [`${prefix}conv.bias`],
        precision,
      }),
      loadLinear(runtime, checkpoint, {
        name: "projector logits",
        k: hidden,
        sources: [{ name: `${prefix}mlp.0.weight`, n: words }],
        bias: null,
        precision,
      }),
      loadLayerNorm(runtime, checkpoint, `${prefix}mlp.1`, words, EPS),
      loadLinear(runtime, checkpoint, {
        name: "projector embedding",
        k: words,
        sources: [{ name: `${prefix}embedding.weight`, n: outHidden, transposed: true }],
        bias: null,
        precision,
      }),
      work,
    );
  }

  /** Tokens of a tile's side in the result. */
  get side(): number {
    return Math.floor((this.config.side - 1) / 2) + 1;
  }

  /** [tiles · side², hidden] → [tiles · (after the convolution) side², outHidden] in scratch. */
  project(pass: Pass, x: Tensor, tiles: number): Tensor {
    const { work, side, config: c } = this;
    const rows = tiles * side * side;
    const patches = work.get("projector patches", rows, this.conv.k);
    pass.run(convPatches, { x, out: patches }, {
      rows,
      t_in: c.side,
      f_in: c.side,
      t_out: side,
      f_out: side,
      channels: c.hidden,
      chunk_stride: c.side * c.side * x.stride,
      t_stride: c.side * x.stride,
      f_stride: x.stride,
      chunk_t: 0,
      valid: c.side,
      out_stride: patches.stride,
    });
    const map = work.get("projector map", rows, c.hidden);
    linear(pass, this.conv, patches, map);
    pass.tap("projector.conv", map);
    const raw = work.get("projector raw", rows, c.words);
    const words = work.get("projector words", rows, c.words);
    linear(pass, this.logits, map, raw);
    norm(pass, this.norm, raw, words);
    pass.tap("projector.logits", words);
    softmax(pass, words);
    const out = work.get("projector out", rows, c.outHidden);
    linear(pass, this.embedding, words, out);
    pass.tap("projector.tokens", out);
    return out;
  }
}
