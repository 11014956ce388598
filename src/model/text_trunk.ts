/**
 * A dense decoder trunk (LLaMA, Qwen2, Qwen3): pre-norm, GQA, SwiGLU, rotary from host angles, paged KV.
 *   h = x + o_proj(attn(rms(x)));  y = h + down(silu(gate(rms(h))) · up(rms(h)))
 */
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import type { Tensor, Workspace } from "../gpu/tensor.ts";
import { attend, type AttentionInput, projectQkv } from "./attention.ts";
import { gather, loadRmsNorm, loadVector, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { embedTokens } from "./embedding.ts";
import type { KvCache } from "./kv_cache.ts";
import { type Linear, linear, type LinearOptions, normedLinear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision } from "./linear_spec.ts";

export interface TrunkConfig {
  vocabSize: number;
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  eps: number;
  /** Per-head RMSNorm of q and k (Qwen3). */
  qkNorm: boolean;
  /** Biases on q, k, v (Qwen2). */
  qkvBias: boolean;
  tied: boolean;
}

interface Layer {
  inputNorm: Norm;
  qkv: Linear; // [(heads + 2 · kv_heads) · head_dim, hidden]
  qkNorm: { q: Tensor; k: Tensor; both: Tensor } | null;
  o: Linear; // [hidden, heads · head_dim]
  postNorm: Norm;
  gateUp: Linear; // [2 · intermediate, hidden], rows interleaved
  down: Linear; // [hidden, intermediate]
}

/** What the rows of one step carry; every tensor is one host upload. */
export interface RowData {
  rows: number;
  token: Tensor;
  media: Tensor;
  angles: Tensor; // [rows, head_dim / 2, 2]
  place: Tensor; // [rows, 4]: first table entry, keys visible, own cache place, 0
  tables: Tensor;
  /** Rows of each sequence in tiles (attention.ts). */
  tiles: Tensor;
  /** Every row is one sequence's newest token: the largest number of keys, rounded up to whole splits; else 0. */
  decodeKeys: number;
  /** Media-store row of each visual token or 0xffffffff; null: no deepstack in this step. */
  deepstack: Tensor | null;
  /** Rows whose logits are wanted; null with none. */
  wanted: Tensor | null;
  wantedRows: number;
}

export class TextTrunk {
  private constructor(
    readonly config: TrunkConfig,
    private readonly embedding: Linear,
    private readonly layers: Layer[],
    private readonly finalNorm: Norm,
    private readonly head: Linear,
    private readonly work: Workspace,
  ) {}

  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: TrunkConfig,
    names: { trunk: string; head: string },
    precision: Precision,
    work: Workspace,
  ): TextTrunk {
    const { hidden, headDim, heads, kvHeads, intermediate, eps } = config;
    const q = heads * headDim;
    const kv = kvHeads * headDim;
    const make = (
      name: string,
      k: number,
      sources: [string, number][],
      bias = false,
      interleave = false,
    ) =>
      loadLinear(runtime, checkpoint, {
        name,
        k,
        sources: sources.map(([s, n]) => ({ name: `${s}.weight`, n })),
        interleave,
        bias: bias ? sources.map(([s]) => `${s}.bias`) : null,
        precision,
      });
    const table: [string, number][] = [[`${names.trunk}embed_tokens`, config.vocabSize]];
    const embedding = make("embed_tokens", hidden, table);
    const layers = Array.from({ length: config.layers }, (_, i): Layer => {
      const p = `${names.trunk}layers.${i}.`;
      const a = `${p}self_attn.`;
      return {
        inputNorm: loadRmsNorm(runtime, checkpoint, `${p}input_layernorm`, hidden, eps),
        qkv: make(
          `${i} qkv`,
          hidden,
          [[`${a}q_proj`, q], [`${a}k_proj`, kv], [`${a}v_proj`, kv]],
          config.qkvBias,
        ),
        qkNorm: config.qkNorm ? loadHeadNorms(runtime, checkpoint, a, headDim) : null,
        o: make(`${i} o_proj`, q, [[`${a}o_proj`, hidden]]),
        postNorm: loadRmsNorm(runtime, checkpoint, `${p}post_attention_layernorm`, hidden, eps),
        gateUp: make(
          `${i} gate_up`,
          hidden,
          [[`${p}mlp.gate_proj`, intermediate], [`${p}mlp.up_proj`, intermediate]],
          false,
          true,
        ),
        down: make(`${i} down_proj`, intermediate, [[`${p}mlp.down_proj`, hidden]]),
      };
    });
    const finalNorm = loadRmsNorm(runtime, checkpoint, `${names.trunk}norm`, hidden, eps);
    const head = config.tied ? embedding : make("lm_head", hidden, [[names.head, config.vocabSize]]);
    return new TextTrunk(config, embedding, layers, finalNorm, head, work);
  }

  /** Bytes of weights that one decoded token reads. */
  get bytesPerToken(): number {
    const layers = this.layers.flatMap((l) => [l.qkv, l.o, l.gateUp, l.down]);
    return [...layers, this.head].reduce((sum, l) => sum + l.bytes, 0);
  }

  /**
   * One step over `data.rows` tokens. Returns logits [wantedRows, vocab] or null.
   * @param drawn ids drawn last, by slot
   * @param store media embeddings [media rows, hidden]
   * @param taps deepstack features, one store a tap: added after layer k (VALLEY3.md, CRITICAL)
   */
  forward(
    pass: Pass,
    data: RowData,
    cache: KvCache,
    drawn: Tensor,
    store: Tensor,
    taps: Tensor[],
  ): Tensor | null {
    const { config: c, work } = this;
    const { rows } = data;
    const x = work.get("x", rows, c.hidden);
    embedTokens(pass, this.embedding, { ...data, drawn, store }, x);
    const h = work.get("h", rows, c.hidden);
    const qkv = work.get("qkv", rows, (c.heads + 2 * c.kvHeads) * c.headDim);
    const attended = work.get("attended", rows, c.heads * c.headDim);
    const inner = work.get("inner", rows, c.intermediate);
    this.layers.forEach((layer, i) => {
      pass.tap(`text.layer_in.${i}`, x);
      const input = this.#attention(layer, data, cache, qkv);
      const stored = projectQkv(pass, layer.inputNorm, layer.qkv, x, input, cache.layers[i]);
      if (!stored) this.#normed(pass, layer.inputNorm, layer.qkv, x, h, qkv);
      attend(pass, { ...input, stored }, cache.layers[i], attended);
      pass.tap(`text.attended.${i}`, attended);
      if (i === 0) this.#tapLinear(pass, `text.layer0.attn_out`, layer.o, attended);
      linear(pass, layer.o, attended, x, { add: true });
      pass.tap(`text.layer_mid.${i}`, x);
      this.#normed(pass, layer.postNorm, layer.gateUp, x, h, inner, { glu: true });
      pass.tap(`text.inner.${i}`, inner);
      if (i === 0) this.#tapLinear(pass, `text.layer0.mlp_out`, layer.down, inner);
      linear(pass, layer.down, inner, x, { add: true });
      if (data.deepstack && i < taps.length) gather(pass, taps[i], data.deepstack, x, { add: true });
    });
    if (pass.tapped) {
      const all = work.get("final", rows, c.hidden);
      norm(pass, this.finalNorm, x, all);
      pass.tap("text.final_norm", all);
    }
    if (!data.wanted) return null;
    const last = work.get("last", data.wantedRows, c.hidden);
    gather(pass, x, data.wanted, last);
    const normed = work.get("normed", data.wantedRows, c.hidden);
    const logits = work.get("logits", data.wantedRows, c.vocabSize);
    this.#normed(pass, this.finalNorm, this.head, last, normed, logits);
    pass.tap("logits", logits);
    return logits;
  }

  /** out = layer(norm(x)): one dispatch for few rows, else through h. */
  #normed(
    pass: Pass,
    n: Norm,
    layer: Linear,
    x: Tensor,
    h: Tensor,
    out: Tensor,
    options: LinearOptions = {},
  ): void {
    if (normedLinear(pass, n, layer, x, out, options)) return;
    norm(pass, n, x, h);
    linear(pass, layer, h, out, options);
  }

  /** Head: [rows, hidden], finally normed → [rows, vocab]. */
  logits(pass: Pass, normed: Tensor): Tensor {
    const logits = this.work.get("logits", normed.rows, this.config.vocabSize);
    linear(pass, this.head, normed, logits);
    pass.tap("logits", logits);
    return logits;
  }

  #attention(layer: Layer, data: RowData, cache: KvCache, qkv: Tensor): AttentionInput {
    const { heads, kvHeads, headDim, eps } = this.config;
    const { angles, place, tables, tiles, decodeKeys } = data;
    const norms = layer.qkNorm && { ...layer.qkNorm, eps };
    const rows = { angles, place, tables, tiles, block: cache.blockSize, decodeKeys, work: this.work };
    return { qkv, heads, kvHeads, dim: headDim, norms, ...rows };
  }

  /** For golden runs only: a projection's own output, which the served path adds to the residual at once. */
  #tapLinear(pass: Pass, name: string, layer: Linear, x: Tensor): void {
    if (!pass.tapped) return;
    const out = this.work.get(name, x.rows, layer.n);
    linear(pass, layer, x, out);
    pass.tap(name, out);
  }
}

/** Weights of q_norm and k_norm, apart and one behind the other. */
function loadHeadNorms(runtime: Runtime, checkpoint: Checkpoint, prefix: string, dim: number) {
  const [q, k] = ["q_norm", "k_norm"].map((n) =>
    loadVector(runtime, checkpoint, `${prefix}${n}.weight`, dim)
  );
  const both = runtime.memory.tensor("head norms", 1, 2 * dim);
  ["q_norm", "k_norm"].forEach((n, i) =>
    runtime.memory.write(both.buf, i * dim * 4, checkpoint.floats(`${prefix}${n}.weight`, [dim]))
  );
  return { q, k, both };
}
