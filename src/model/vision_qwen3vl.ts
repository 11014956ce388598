/**
 * The vision tower of Qwen3-VL: patch rows → merged tokens of the trunk's width, and deepstack features.
 * Input rows come in merge-block order (t, block row, block column, 2×2 inside).
 */
import { positionBilinear } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { hostRows, reshape, rowSlices, rowsOf, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { attend } from "./attention.ts";
import { hostMatrix, hostTensor, loadLayerNorm, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";
import { ScratchKeyValues, segmentsOf } from "./segments.ts";
import { bilinearCorners, patchPlaces, rotaryAngles2d } from "./vision_positions.ts";

export interface VisionConfig {
  depth: number;
  hidden: number;
  heads: number;
  intermediate: number;
  patch: number;
  temporalPatch: number;
  channels: number;
  merge: number;
  outHidden: number;
  /** Rows of the learned position table, a square grid. */
  positions: number;
  deepstack: number[];
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
  norm: Norm;
  /** CRITICAL: the final merger normalises before joining 2×2, the deepstack ones after. */
  joinFirst: boolean;
  fc1: Linear;
  fc2: Linear;
}

const EPS = 1e-6;

export class VisionTower {
  private constructor(
    private readonly runtime: Runtime,
    readonly config: VisionConfig,
    private readonly patchEmbed: Linear, // [hidden, channels · temporal · patch²]
    private readonly table: Tensor, // [positions, hidden]
    private readonly blocks: Block[],
    private readonly merger: Merger,
    private readonly taps: Merger[],
    private readonly work: Workspace,
    private readonly scratch: ScratchKeyValues,
  ) {}

  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: VisionConfig,
    prefix: string,
    precision: Precision,
    work: Workspace,
  ): VisionTower {
    const { hidden, intermediate, merge, outHidden } = config;
    const layer = (name: string, n: number, k: number) =>
      loadLinear(runtime, checkpoint, {
        name,
        k,
        sources: [{ name: `${prefix}${name}.weight`, n }],
        bias: [`${prefix}${name}.bias`],
        precision,
      });
    const layerNorm = (name: string, n: number) =>
      loadLayerNorm(runtime, checkpoint, `${prefix}${name}`, n, EPS);
    const blocks = Array.from({ length: config.depth }, (_, i): Block => ({
      norm1: layerNorm(`blocks.${i}.norm1`, hidden),
      qkv: layer(`blocks.${i}.attn.qkv`, 3 * hidden, hidden),
      proj: layer(`blocks.${i}.attn.proj`, hidden, hidden),
      norm2: layerNorm(`blocks.${i}.norm2`, hidden),
      fc1: layer(`blocks.${i}.mlp.linear_fc1`, intermediate, hidden),
      fc2: layer(`blocks.${i}.mlp.linear_fc2`, hidden, intermediate),
    }));
    const joined = hidden * merge * merge;
    const mergerOf = (name: string, joinFirst: boolean): Merger => ({
      norm: layerNorm(`${name}.norm`, joinFirst ? joined : hidden),
      joinFirst,
      fc1: layer(`${name}.linear_fc1`, joined, joined),
      fc2: layer(`${name}.linear_fc2`, outHidden, joined),
    });
    const table = runtime.memory.tensor("pos_embed", config.positions, hidden);
    runtime.memory.write(
      table.buf,
      0,
      checkpoint.floats(`${prefix}pos_embed.weight`, [config.positions, hidden]),
    );
    const patchWidth = config.channels * config.temporalPatch * config.patch ** 2;
    return new VisionTower(
      runtime,
      config,
      layer("patch_embed.proj", hidden, patchWidth),
      table,
      blocks,
      mergerOf("merger", false),
      config.deepstack.map((_, k) => mergerOf(`deepstack_merger_list.${k}`, true)),
      work,
      new ScratchKeyValues(runtime, "vision", config.heads, hidden / config.heads),
    );
  }

  /**
   * Encodes one picture or video.
   * @param patches [t·h·w, channels · temporal · patch²]
   * @param grid [t, h, w] in patches; h and w are multiples of the merge size
   * @param out where merged tokens [t·h·w/4, outHidden] go, and one tensor a deepstack tap
   * @returns buffers to free after the submit
   */
  encode(
    pass: Pass,
    patches: Float32Array,
    grid: number[],
    out: { merged: Tensor; deepstack: Tensor[] },
  ): Tensor[] {
    const { config: c, work, runtime } = this;
    const [t, h, w] = grid;
    const rows = t * h * w;
    const width = c.channels * c.temporalPatch * c.patch ** 2;
    const input = hostMatrix(runtime, "patches", patches, rows, width);
    const dim = c.hidden / c.heads;
    const places = patchPlaces(grid, c.merge); // [t·h·w] of (row, column)
    const { corners, weights } = bilinearCorners(grid, places, Math.sqrt(c.positions));
    const corner = hostTensor(runtime, "corners", corners);
    const mix4 = hostTensor(runtime, "corner weights", weights);
    const angles = hostTensor(runtime, "vision angles", rotaryAngles2d(places, dim));
    const segments = segmentsOf(runtime, rows, h * w); // CRITICAL: attention is full within one frame, never across

    const kv = this.scratch.get(rows);
    const x = work.get("vision x", rows, c.hidden);
    linear(pass, this.patchEmbed, input, x);
    pass.tap("vision.patch_embed", x);
    for (const [first, count] of rowSlices(runtime.gpu, rows, x.stride)) {
      pass.run(positionBilinear, {
        corner: hostRows(corner, first, count, 4),
        mix4: hostRows(mix4, first, count, 4),
        table: this.table,
        x: rowsOf(x, first, count),
      }, { rows: count, cols: c.hidden, x_stride: x.stride, table_stride: this.table.stride });
    }
    const y = work.get("vision y", rows, c.hidden);
    const qkv = work.get("vision qkv", rows, 3 * c.hidden);
    const inner = work.get("vision inner", rows, c.intermediate);
    this.blocks.forEach((block, i) => {
      norm(pass, block.norm1, x, y);
      linear(pass, block.qkv, y, qkv);
      attend(pass, { qkv, heads: c.heads, kvHeads: c.heads, dim, norms: null, angles, ...segments }, kv, y);
      linear(pass, block.proj, y, x, { add: true });
      norm(pass, block.norm2, x, y);
      linear(pass, block.fc1, y, inner, { act: "gelu_tanh" });
      linear(pass, block.fc2, inner, x, { add: true });
      pass.tap(`vision.block_out.${i}`, x);
      const k = c.deepstack.indexOf(i);
      if (k >= 0) this.#merge(pass, this.taps[k], x, y, out.deepstack[k], `vision.deepstack.${k}`);
    });
    this.#merge(pass, this.merger, x, y, out.merged, "vision.merged");
    return [input, corner, mix4, angles, segments.place, segments.tables, segments.tiles];
  }

  /** Joins 2×2 patches, which lie in four consecutive rows: [rows, hidden] → [rows/4, outHidden]. */
  #merge(pass: Pass, merger: Merger, x: Tensor, y: Tensor, out: Tensor, name: string): void {
    const { config: c, work } = this;
    const join = (v: Tensor) => reshape(v, v.rows / c.merge ** 2, c.hidden * c.merge ** 2);
    if (merger.joinFirst) norm(pass, merger.norm, join(x), join(y));
    else norm(pass, merger.norm, x, y);
    const joined = join(y);
    const inner = work.get("merged inner", joined.rows, joined.cols);
    linear(pass, merger.fc1, joined, inner, { act: "gelu_erf" });
    linear(pass, merger.fc2, inner, out);
    pass.tap(name, out);
  }
}
