/**
 * The vision tower of Qwen2-VL (transformers 4.51 `qwen2_vl`; VALLEY2_5.md, VALLEY2.md): patch rows → merged tokens.
 *   x += proj(attn(LN1(x)));  x += fc2(quick_gelu(fc1(LN2(x))))
 * Input rows come in merge-block order (block row, block column, 2×2 inside). CRITICAL: no patch bias, no learned
 * positions. One picture a call, so attention is full over all rows.
 */
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { reshape, rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { attend } from "./attention.ts";
import { hostMatrix, hostTensor, loadLayerNorm, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";
import { ScratchKeyValues, segmentsOf } from "./segments.ts";
import { patchPlaces, rotaryAngles2d } from "./vision_positions.ts";

export interface Qwen2VisionConfig {
  depth: number;
  hidden: number;
  heads: number;
  intermediate: number;
  patch: number;
  temporalPatch: number;
  channels: number;
  merge: number;
  /** Width of the merger's hidden layer (65,536 in Valley2.5). */
  mergerHidden: number;
  outHidden: number;
}

interface Block {
  norm1: Norm;
  qkv: Linear; // [3 · hidden, hidden]
  proj: Linear; // [hidden, hidden]
  norm2: Norm;
  fc1: Linear; // [intermediate, hidden]
  fc2: Linear; // [hidden, intermediate]
}

interface Merger {
  norm: Norm; // over hidden: before the four patches are joined
  fc1: Linear; // [mergerHidden, merge² · hidden]
  fc2: Linear; // [outHidden, mergerHidden]
}

const EPS = 1e-6;
/** Most floats of the merger's hidden layer that exist at once (32 MiB). */
const MERGER_FLOATS = 8 << 20;

export class Qwen2VisionTower {
  private constructor(
    private readonly runtime: Runtime,
    readonly config: Qwen2VisionConfig,
    private readonly names: string,
    private readonly patchEmbed: Linear, // [hidden, channels · temporal · patch²]
    private readonly blocks: Block[],
    private readonly merger: Merger,
    private readonly work: Workspace,
    private readonly scratch: ScratchKeyValues,
  ) {}

  /**
   * @param prefix of the tensors' names
   * @param names prefix of the taps' names
   */
  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: Qwen2VisionConfig,
    { prefix, names }: { prefix: string; names: string },
    precision: Precision,
    work: Workspace,
  ): Qwen2VisionTower {
    const { hidden, intermediate, merge, mergerHidden, outHidden } = config;
    const layer = (name: string, n: number, k: number, bias = true) =>
      loadLinear(runtime, checkpoint, {
        name,
        k,
        sources: [{ name: `${prefix}${name}.weight`, n }],
        bias: bias ? [`${prefix}${name}.bias`] : null,
        precision,
      });
    const layerNorm = (name: string) => loadLayerNorm(runtime, checkpoint, `${prefix}${name}`, hidden, EPS);
    const blocks = Array.from({ length: config.depth }, (_, i): Block => ({
      norm1: layerNorm(`blocks.${i}.norm1`),
      qkv: layer(`blocks.${i}.attn.qkv`, 3 * hidden, hidden),
      proj: layer(`blocks.${i}.attn.proj`, hidden, hidden),
      norm2: layerNorm(`blocks.${i}.norm2`),
      fc1: layer(`blocks.${i}.mlp.fc1`, intermediate, hidden),
      fc2: layer(`blocks.${i}.mlp.fc2`, hidden, intermediate),
    }));
    const merger = {
      norm: layerNorm("merger.ln_q"),
      fc1: layer("merger.mlp.0", mergerHidden, hidden * merge ** 2),
      fc2: layer("merger.mlp.2", outHidden, mergerHidden),
    };
    const patchWidth = config.channels * config.temporalPatch * config.patch ** 2;
    const patchEmbed = layer("patch_embed.proj", hidden, patchWidth, false);
    const scratch = new ScratchKeyValues(runtime, names, config.heads, hidden / config.heads);
    return new Qwen2VisionTower(runtime, config, names, patchEmbed, blocks, merger, work, scratch);
  }

  /** Numbers of one patch row. */
  get patchWidth(): number {
    return this.config.channels * this.config.temporalPatch * this.config.patch ** 2;
  }

  /**
   * Encodes one picture.
   * @param patches [h·w, channels · temporal · patch²]
   * @param grid [1, h, w] in patches; h and w are multiples of the merge size
   * @param out where merged tokens [h·w/merge², outHidden] go
   * @returns buffers to free after the submit
   */
  encode(pass: Pass, patches: Float32Array, grid: number[], out: Tensor): Tensor[] {
    const { config: c, work, runtime, names } = this;
    const rows = grid[0] * grid[1] * grid[2];
    const input = hostMatrix(runtime, "patches", patches, rows, this.patchWidth);
    const dim = c.hidden / c.heads;
    const angles = hostTensor(runtime, "vision angles", rotaryAngles2d(patchPlaces(grid, c.merge), dim));
    const segments = segmentsOf(runtime, rows, rows);
    const kv = this.scratch.get(rows);
    const x = work.get("vision x", rows, c.hidden);
    linear(pass, this.patchEmbed, input, x);
    pass.tap(`${names}.patch_embed`, x);
    const y = work.get("vision y", rows, c.hidden);
    const qkv = work.get("vision qkv", rows, 3 * c.hidden);
    const inner = work.get("vision inner", rows, c.intermediate);
    this.blocks.forEach((block, i) => {
      norm(pass, block.norm1, x, y);
      linear(pass, block.qkv, y, qkv);
      attend(pass, { qkv, heads: c.heads, kvHeads: c.heads, dim, norms: null, angles, ...segments }, kv, y);
      if (i === 0 && pass.tapped) {
        const attended = work.get("vision attn_out", rows, c.hidden);
        linear(pass, block.proj, y, attended);
        pass.tap(`${names}.block0.attn_out`, attended);
      }
      linear(pass, block.proj, y, x, { add: true });
      norm(pass, block.norm2, x, y);
      linear(pass, block.fc1, y, inner, { act: "quick_gelu" });
      linear(pass, block.fc2, inner, x, { add: true });
      pass.tap(`${names}.block_out.${i}`, x);
    });
    norm(pass, this.merger.norm, x, y); // CRITICAL: each patch by itself, before joining
    this.#merge(pass, reshape(y, rows / c.merge ** 2, c.hidden * c.merge ** 2), out);
    pass.tap(`${names}.merged`, out);
    return [input, angles, segments.place, segments.tables, segments.tiles];
  }

  /** [tokens, merge² · hidden] → [tokens, outHidden], a slice of tokens at a time: the hidden layer may be 64k wide. */
  #merge(pass: Pass, joined: Tensor, out: Tensor): void {
    const { merger, config, work } = this;
    const step = Math.max(64, Math.floor(MERGER_FLOATS / config.mergerHidden / 64) * 64);
    for (let first = 0; first < joined.rows; first += step) {
      const count = Math.min(step, joined.rows - first);
      const inner = work.get("merger hidden", count, config.mergerHidden);
      linear(pass, merger.fc1, rowsOf(joined, first, count), inner, { act: "gelu_erf" });
      pass.tap(`${this.names}.merger_hidden`, inner);
      linear(pass, merger.fc2, inner, rowsOf(out, first, count));
    }
  }
}
