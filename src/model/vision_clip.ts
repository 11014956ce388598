/**
 * The vision transformers of CLIP and SigLIP (transformers `clip`, `siglip`): square pictures of one size, learned
 * positions, separate q, k, v with biases.
 *   x += out(attn(LN1(x)));  x += fc2(act(fc1(LN2(x))))
 * CLIP puts a class token first and norms before the blocks; SigLIP has a patch bias and norms after them.
 */
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { pad, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { attend } from "./attention.ts";
import { gather, hostMatrix, hostTensor, loadLayerNorm, loadVector, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Activation, type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";
import { ScratchKeyValues, segmentsOf } from "./segments.ts";

export interface ClipVisionConfig {
  kind: "clip" | "siglip";
  /** Blocks that run (of CLIP the last ones may not count). */
  layers: number;
  hidden: number;
  heads: number;
  intermediate: number;
  channels: number;
  patch: number;
  /** Pixels of a picture's side; what a whole number of patches leaves over is not read. */
  side: number;
  eps: number;
}

/** Patches of one side. */
export const patchesOfSide = ({ side, patch }: { side: number; patch: number }): number =>
  Math.floor(side / patch);

/** Numbers of one patch row: channels · patch², zero-padded to a multiple of 8. */
export const patchRowWidth = ({ channels, patch }: { channels: number; patch: number }): number =>
  pad(channels * patch * patch, 8);

interface Block {
  norm1: Norm;
  qkv: Linear; // [3 · hidden, hidden]
  out: Linear; // [hidden, hidden]
  norm2: Norm;
  fc1: Linear; // [intermediate, hidden]
  fc2: Linear; // [hidden, intermediate]
}

const ACT: Record<ClipVisionConfig["kind"], Activation> = { clip: "quick_gelu", siglip: "gelu_tanh" };

/** Names of taps. */
export interface ClipTaps {
  patches?: string;
  /** What the first block gets. */
  first: string;
  layer: string;
  last?: string;
}

export class ClipVisionTower {
  private constructor(
    private readonly runtime: Runtime,
    readonly config: ClipVisionConfig,
    private readonly patchEmbed: Linear,
    private readonly positions: Tensor,
    private readonly classToken: Tensor | null,
    private readonly preNorm: Norm | null,
    private readonly blocks: Block[],
    private readonly postNorm: Norm | null,
    private readonly taps: ClipTaps,
    private readonly work: Workspace,
    private readonly scratch: ScratchKeyValues,
  ) {}

  /** @param prefix of the tensors' names, up to `vision_model.` */
  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: ClipVisionConfig,
    { prefix, taps }: { prefix: string; taps: ClipTaps },
    precision: Precision,
    work: Workspace,
  ): ClipVisionTower {
    const { hidden, intermediate, eps } = config;
    const clip = config.kind === "clip";
    const make = (parts: string[], n: number, k: number) =>
      loadLinear(runtime, checkpoint, {
        name: parts[0],
        k,
        sources: parts.map((p) => ({ name: `${prefix}${p}.weight`, n })),
        bias: parts.map((p) => `${prefix}${p}.bias`),
        precision,
      });
    const layerNorm = (name: string) => loadLayerNorm(runtime, checkpoint, `${prefix}${name}`, hidden, eps);
    const blocks = Array.from({ length: config.layers }, (_, i): Block => {
      const p = `encoder.layers.${i}.`;
      return {
        norm1: layerNorm(`${p}layer_norm1`),
        qkv: make(["q_proj", "k_proj", "v_proj"].map((s) => `${p}self_attn.${s}`), hidden, hidden),
        out: make([`${p}self_attn.out_proj`], hidden, hidden),
        norm2: layerNorm(`${p}layer_norm2`),
        fc1: make([`${p}mlp.fc1`], intermediate, hidden),
        fc2: make([`${p}mlp.fc2`], hidden, intermediate),
      };
    });
    const k = patchRowWidth(config);
    const pixels = config.channels * config.patch ** 2;
    const patchName = `${prefix}embeddings.patch_embedding`;
    const patchEmbed = loadLinear(runtime, checkpoint, {
      name: "patch_embedding",
      k,
      sources: [{
        name: `${patchName}.weight`,
        n: hidden,
        columns: Int32Array.from({ length: k }, (_, i) => i < pixels ? i : -1),
      }],
      bias: clip ? null : [`${patchName}.bias`],
      precision,
    });
    const rows = patchesOfSide(config) ** 2 + (clip ? 1 : 0);
    const positions = runtime.memory.tensor("positions", rows, hidden);
    const table = checkpoint.floats(`${prefix}embeddings.position_embedding.weight`, [rows, hidden]);
    runtime.memory.write(positions.buf, 0, table);
    return new ClipVisionTower(
      runtime,
      config,
      patchEmbed,
      positions,
      clip ? loadVector(runtime, checkpoint, `${prefix}embeddings.class_embedding`, hidden) : null,
      clip ? layerNorm("pre_layrnorm") : null, // the spelling is CLIP's
      blocks,
      clip ? null : layerNorm("post_layernorm"), // CLIP's is never used
      taps,
      work,
      new ScratchKeyValues(runtime, clip ? "clip" : "siglip", config.heads, hidden / config.heads),
    );
  }

  /** Rows of one picture in the result: its patches row by row, with CLIP's class token before them. */
  get tokens(): number {
    return patchesOfSide(this.config) ** 2 + (this.classToken ? 1 : 0);
  }

  /**
   * Encodes pictures, each by itself.
   * @param patches [pictures · patches, patchRowWidth]
   * @returns x [pictures · tokens, hidden] in scratch, and buffers to free after the submit
   */
  encode(pass: Pass, patches: Float32Array, pictures: number): { x: Tensor; used: Tensor[] } {
    const { config: c, work, runtime, taps, tokens } = this;
    const { x, used } = this.#embed(pass, patches, pictures);
    const rows = pictures * tokens;
    const segments = segmentsOf(runtime, rows, tokens);
    const kv = this.scratch.get(rows);
    const y = work.get("clip y", rows, c.hidden);
    const qkv = work.get("clip qkv", rows, 3 * c.hidden);
    const inner = work.get("clip inner", rows, c.intermediate);
    const heads = { heads: c.heads, kvHeads: c.heads, dim: c.hidden / c.heads };
    this.blocks.forEach((block, i) => {
      norm(pass, block.norm1, x, y);
      linear(pass, block.qkv, y, qkv);
      attend(pass, { qkv, ...heads, norms: null, angles: null, ...segments }, kv, y);
      linear(pass, block.out, y, x, { add: true });
      norm(pass, block.norm2, x, y);
      linear(pass, block.fc1, y, inner, { act: ACT[c.kind] });
      linear(pass, block.fc2, inner, x, { add: true });
      pass.tap(`${taps.layer}.${i}`, x);
    });
    used.push(segments.place, segments.tables, segments.tiles);
    if (!this.postNorm) return { x, used };
    norm(pass, this.postNorm, x, y);
    if (taps.last) pass.tap(taps.last, y);
    return { x: y, used };
  }

  /** Patches, the class token before them where there is one, learned positions, CLIP's first norm. */
  #embed(pass: Pass, patches: Float32Array, pictures: number): { x: Tensor; used: Tensor[] } {
    const { config: c, work, runtime, taps, tokens, classToken, positions } = this;
    const own = patchesOfSide(c) ** 2;
    const input = hostMatrix(runtime, "pixels", patches, pictures * own, patchRowWidth(c));
    const embedded = work.get("clip patches", input.rows, c.hidden);
    linear(pass, this.patchEmbed, input, embedded);
    if (taps.patches) pass.tap(taps.patches, embedded);
    const rows = pictures * tokens;
    const lead = tokens - own;
    const place = Uint32Array.from({ length: rows }, (_, r) => r % tokens);
    const from = place.map((t, r) => t < lead ? NO_ROW : Math.floor(r / tokens) * own + t - lead);
    const other = hostTensor(runtime, "position rows", place);
    const index = hostTensor(runtime, "patch rows", from);
    const used = [input, other, index];
    const x = work.get("clip x", rows, c.hidden);
    gather(pass, embedded, index, x, { table: positions, other });
    if (classToken) {
      const leads = hostTensor(runtime, "class rows", place.map((t) => t === 0 ? 0 : NO_ROW));
      used.push(leads);
      gather(pass, classToken, leads, x, { table: positions, other });
    }
    if (!this.preNorm) {
      pass.tap(taps.first, x);
      return { x, used };
    }
    const normed = work.get("clip normed", rows, c.hidden);
    norm(pass, this.preNorm, x, normed);
    pass.tap(taps.first, normed);
    return { x: normed, used };
  }
}

const NO_ROW = 0xffffffff;
