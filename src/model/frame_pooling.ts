/**
 * Valley (2023): tokens of F frames, each a class token and P patches, → P patch tokens and F frame tokens
 * (VALLEY1.md "Temporal aggregation"). Frame tokens are the class tokens; patch tokens by variant:
 *   v1 the mean over frames; v2 a weighted mean, one weight a frame; v3 the mean plus what a transformer layer over the
 *   frames gives for the last one.
 */
import { attentionFrames } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { reshape, rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { gather, hostTensor, loadLayerNorm, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";
import { mix, softmaxDown } from "./mix.ts";

export interface FramePoolingConfig {
  variant: "v1" | "v2" | "v3";
  /** Width of the decoder. */
  hidden: number;
  /** Patches of a frame. */
  patches: number;
}

/** The post-norm encoder layer of v3. */
interface Layer {
  positions: Tensor; // [2048, hidden]
  qkv: Linear; // [3 · hidden, hidden]
  out: Linear; // [hidden, hidden]
  norm1: Norm;
  linear1: Linear; // [2048, hidden]
  linear2: Linear; // [hidden, 2048]
  norm2: Norm;
}

const HEADS = 8, POSITIONS = 2048, INNER = 2048, EPS = 1e-5;
/** Floats of the layer's projections that exist at once (64 MiB). */
const LAYER_FLOATS = 16 << 20;
/** Scores lie apart so that each row can be bound. */
const SCORE_STRIDE = 64;
/** Patches whose intermediates the golden cases hold. */
const TAPPED = 4;

export class FramePooling {
  private constructor(
    private readonly runtime: Runtime,
    readonly config: FramePoolingConfig,
    private readonly scorer: Linear | null, // v2: [1, patches · hidden]
    private readonly layer: Layer | null,
    private readonly work: Workspace,
  ) {}

  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: FramePoolingConfig,
    prefix: string,
    precision: Precision,
    work: Workspace,
  ): FramePooling {
    const { variant, hidden, patches } = config;
    const make = (weight: string, bias: string, n: number, k: number) =>
      loadLinear(runtime, checkpoint, {
        name: weight,
        k,
        sources: [{ name: prefix + weight, n }],
        bias: [prefix + bias],
        precision,
      });
    const plain = (name: string, n: number, k: number) => make(`${name}.weight`, `${name}.bias`, n, k);
    const scorer = variant === "v2" ? plain("pooling_layer", 1, patches * hidden) : null;
    if (variant !== "v3") return new FramePooling(runtime, config, scorer, null, work);
    // CRITICAL: not `transforemr_adding_layer`, which has the same shapes and other values.
    const p = "transformer_delta_encoder.layers.0.";
    const layerNorm = (name: string) => loadLayerNorm(runtime, checkpoint, prefix + p + name, hidden, EPS);
    const positions = runtime.memory.tensor("frame positions", POSITIONS, hidden);
    const table = checkpoint.floats(`${prefix}position_matrix`, [POSITIONS, hidden]);
    runtime.memory.write(positions.buf, 0, table);
    return new FramePooling(runtime, config, scorer, {
      positions,
      qkv: make(`${p}self_attn.in_proj_weight`, `${p}self_attn.in_proj_bias`, 3 * hidden, hidden),
      out: plain(`${p}self_attn.out_proj`, hidden, hidden),
      norm1: layerNorm("norm1"),
      linear1: plain(`${p}linear1`, INNER, hidden),
      linear2: plain(`${p}linear2`, hidden, INNER),
      norm2: layerNorm("norm2"),
    }, work);
  }

  /**
   * @param z [frames · (1 + patches), hidden]: each frame's class token, then its patches
   * @param out [patches + frames, hidden]
   * @returns buffers to free after the submit
   */
  pool(pass: Pass, z: Tensor, frames: number, out: Tensor): Tensor[] {
    const { runtime, work, config: { variant, hidden, patches } } = this;
    const each = patches + 1;
    const used: Tensor[] = [];
    const classes = Array.from({ length: frames }, (_, f) => [[f * each, 0] as const]);
    const frameTokens = work.get("frame tokens", frames, hidden);
    used.push(...mix(pass, runtime, z, classes, [1], frameTokens));
    pass.tap("temporal.frames", frameTokens);
    const tokens = work.get("patch tokens", patches, hidden);
    const weights = variant === "v2" ? this.#scores(pass, z, frames, used) : [1 / frames];
    const step = variant === "v2" ? SCORE_STRIDE : 0;
    const parts = Array.from(
      { length: patches },
      (_, p) => Array.from({ length: frames }, (_, f) => [f * each + 1 + p, f * step] as const),
    );
    if (variant === "v3") {
      this.#encodeLast(pass, z, frames, tokens, used);
      pass.tap("temporal.encoder_out_last", tokens);
    }
    // CRITICAL: the mean is of z without positions.
    used.push(...mix(pass, runtime, z, parts, weights, tokens, { add: variant === "v3" }));
    pass.tap("temporal.patches", tokens);
    pass.copy(tokens, rowsOf(out, 0, patches));
    pass.copy(frameTokens, rowsOf(out, patches, frames));
    return used;
  }

  /** v2: one weight a frame, softmax over frames; [frames, SCORE_STRIDE], the first column counts. */
  #scores(pass: Pass, z: Tensor, frames: number, used: Tensor[]): Tensor {
    const { runtime, work, config: { hidden, patches } } = this;
    const rows = Uint32Array.from(
      { length: frames * patches },
      (_, i) => Math.floor(i / patches) * (patches + 1) + 1 + i % patches,
    );
    const index = hostTensor(runtime, "patch rows", rows);
    used.push(index);
    const own = work.get("frame patches", frames * patches, hidden);
    gather(pass, z, index, own);
    const flat = reshape(own, frames, patches * hidden);
    const scores = work.get("frame scores", frames, SCORE_STRIDE);
    for (let f = 0; f < frames; f++) linear(pass, this.scorer!, rowsOf(flat, f, 1), rowsOf(scores, f, 1));
    softmaxDown(pass, scores);
    if (pass.tapped) {
      const first = hostTensor(runtime, "score rows", Uint32Array.from({ length: frames }, (_, f) => f));
      used.push(first);
      const narrow = work.get("narrow scores", frames, 1);
      gather(pass, scores, first, narrow);
      pass.tap("temporal.scores", narrow);
    }
    return scores;
  }

  /** v3: the layer over each patch place's frames, of which the last frame's output counts → [patches, hidden]. */
  #encodeLast(pass: Pass, z: Tensor, frames: number, out: Tensor, used: Tensor[]): void {
    const { hidden, patches } = this.config;
    const step = Math.max(TAPPED, Math.floor(LAYER_FLOATS / (frames * 3 * hidden)));
    for (let first = 0; first < patches; first += step) {
      const count = Math.min(step, patches - first);
      const part = this.#encodePlaces(pass, z, frames, first, count, used);
      pass.copy(part, rowsOf(out, first, count));
    }
  }

  #encodePlaces(
    pass: Pass,
    z: Tensor,
    frames: number,
    first: number,
    count: number,
    used: Tensor[],
  ): Tensor {
    const { runtime, work, config: { hidden, patches } } = this;
    const layer = this.layer!;
    const rows = count * frames;
    const host = (name: string, length: number, of: (i: number) => number): Tensor => {
      const t = hostTensor(runtime, name, Uint32Array.from({ length }, (_, i) => of(i)));
      used.push(t);
      return t;
    };
    const frame = host("frame of row", rows, (i) => i % frames);
    const source = host(
      "row of place",
      rows,
      (i) => i % frames * (patches + 1) + 1 + first + Math.floor(i / frames),
    );
    const x = work.get("temporal x", rows, hidden);
    gather(pass, z, source, x, { table: layer.positions, other: frame });
    const qkv = work.get("temporal qkv", rows, 3 * hidden);
    linear(pass, layer.qkv, x, qkv);
    const attended = work.get("temporal attended", rows, hidden);
    pass.run(attentionFrames, { qkv, out: attended }, {
      rows,
      size: frames,
      heads: HEADS,
      dim: hidden / HEADS,
      qkv_stride: qkv.stride,
      out_stride: attended.stride,
      scale: 1 / Math.sqrt(hidden / HEADS),
    });
    if (first === 0 && pass.tapped) this.#tapFirst(pass, x, attended, Math.min(TAPPED, count) * frames);
    const last = host("last rows", count, (i) => i * frames + frames - 1);
    const y = work.get("temporal y", count, hidden);
    const a = work.get("temporal a", count, hidden);
    gather(pass, x, last, y);
    gather(pass, attended, last, a);
    linear(pass, layer.out, a, y, { add: true });
    norm(pass, layer.norm1, y, a);
    const inner = work.get("temporal inner", count, INNER);
    linear(pass, layer.linear1, a, inner, { act: "relu" });
    linear(pass, layer.linear2, inner, a, { add: true });
    norm(pass, layer.norm2, a, y);
    return y;
  }

  /** For golden runs only: the first patches' input and first norm, for all frames. */
  #tapFirst(pass: Pass, x: Tensor, attended: Tensor, rows: number): void {
    const { work, layer, config: { hidden } } = this;
    pass.tap("temporal.encoder_in", rowsOf(x, 0, rows));
    const sum = work.get("temporal tap", rows, hidden);
    pass.copy(rowsOf(x, 0, rows), sum);
    linear(pass, layer!.out, rowsOf(attended, 0, rows), sum, { add: true });
    const normed = work.get("temporal tap normed", rows, hidden);
    norm(pass, layer!.norm1, sum, normed);
    pass.tap("temporal.norm1_out", normed);
  }
}
