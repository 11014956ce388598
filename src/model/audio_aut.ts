/**
 * The audio encoder of Qwen3-Omni (AuT) and Valley3's connector: log-mel → tokens of the trunk's width.
 * Chunks of 100 frames go through three strided convolutions; then one bidirectional transformer over the whole sound.
 */
import { convPatches } from "../gpu/kernels.ts";
import type { Pass } from "../gpu/pass.ts";
import type { Runtime } from "../gpu/runtime.ts";
import { reshape, type Tensor, type Workspace } from "../gpu/tensor.ts";
import { attend } from "./attention.ts";
import { gather, hostTensor, loadLayerNorm, type Norm, norm } from "./blocks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Linear, linear } from "./linear.ts";
import { loadLinear } from "./linear_load.ts";
import type { Precision, RowSource } from "./linear_spec.ts";
import { ScratchKeyValues, segmentsOf } from "./segments.ts";

export interface AudioConfig {
  melBins: number;
  layers: number;
  heads: number;
  ffn: number;
  dModel: number;
  convChannels: number;
  outputDim: number;
  connectorHidden: number;
  outHidden: number;
  /** Attention windows of this many tokens; 0: the whole sound, as every published path does (CRITICAL). */
  window: number;
}

/** Frames of one chunk: 2 × n_window, n_window forced to 50 whatever the config says. */
const CHUNK = 100;
const EPS = 1e-5;

interface Layer {
  attnNorm: Norm;
  qkv: Linear; // [3 · d_model, d_model]
  out: Linear; // [d_model, d_model]
  ffnNorm: Norm;
  fc1: Linear; // [ffn, d_model]
  fc2: Linear; // [d_model, ffn]
}

/** Steps that a stride-2, kernel-3, padding-1 convolution leaves of n. */
const halve = (n: number): number => n === 0 ? 0 : Math.floor((n - 1) / 2) + 1;

/** Tokens of a sound of `frames` mel frames. */
export function audioTokens(frames: number): number {
  return halve(halve(halve(frames % CHUNK))) + halve(halve(halve(CHUNK))) * Math.floor(frames / CHUNK);
}

export class AudioEncoder {
  private constructor(
    private readonly runtime: Runtime,
    readonly config: AudioConfig,
    private readonly conv: Linear[], // [channels, 9 · channels in] three times
    private readonly convOut: Linear, // [d_model, f · channels]
    private readonly positions: Tensor, // [13, d_model]
    private readonly layers: Layer[],
    private readonly lnPost: Norm,
    private readonly proj1: Linear,
    private readonly proj2: Linear,
    private readonly connector: { projIn: Linear; projMid: Linear; projOut: Linear; ln: Norm },
    private readonly work: Workspace,
    private readonly scratch: ScratchKeyValues,
  ) {}

  static load(
    runtime: Runtime,
    checkpoint: Checkpoint,
    config: AudioConfig,
    prefix: { encoder: string; connector: string },
    precision: Precision,
    work: Workspace,
  ): AudioEncoder {
    const { dModel: d, convChannels: ch, ffn, melBins } = config;
    const e = prefix.encoder;
    const make = (name: string, k: number, sources: RowSource[], bias: string[] | null) =>
      loadLinear(runtime, checkpoint, { name, k, sources, bias, precision });
    const plain = (p: string, n: number, k: number) =>
      make(p, k, [{ name: `${p}.weight`, n }], [`${p}.bias`]);
    const lnorm = (p: string, n: number) => loadLayerNorm(runtime, checkpoint, p, n, EPS);
    const conv = [1, 2, 3].map((i) => {
      const cin = i === 1 ? 1 : ch;
      const k = Math.ceil(9 * cin / 8) * 8;
      const source = { name: `${e}conv2d${i}.weight`, n: ch, columns: convColumns(cin, k) };
      return make(`conv2d${i}`, k, [source], [`${e}conv2d${i}.bias`]);
    });
    const bands = halve(halve(halve(melBins)));
    const columns = Int32Array.from({ length: bands * ch }, (_, i) => (i % ch) * bands + Math.floor(i / ch));
    const convOut = make("conv_out", bands * ch, [{ name: `${e}conv_out.weight`, n: d, columns }], null);
    const steps = halve(halve(halve(CHUNK)));
    const positions = runtime.memory.tensor("audio positions", steps, d);
    runtime.memory.write(positions.buf, 0, sinusoids(steps, d, positions.stride));
    const layers = Array.from({ length: config.layers }, (_, i): Layer => {
      const p = `${e}layers.${i}.`;
      const a = ["q_proj", "k_proj", "v_proj"].map((s) => `${p}self_attn.${s}`);
      return {
        attnNorm: lnorm(`${p}self_attn_layer_norm`, d),
        qkv: make(`${p}qkv`, d, a.map((s) => ({ name: `${s}.weight`, n: d })), a.map((s) => `${s}.bias`)),
        out: plain(`${p}self_attn.out_proj`, d, d),
        ffnNorm: lnorm(`${p}final_layer_norm`, d),
        fc1: plain(`${p}fc1`, ffn, d),
        fc2: plain(`${p}fc2`, d, ffn),
      };
    });
    const c = prefix.connector;
    const wide = config.connectorHidden;
    return new AudioEncoder(
      runtime,
      config,
      conv,
      convOut,
      positions,
      layers,
      lnorm(`${e}ln_post`, d),
      plain(`${e}proj1`, d, d),
      plain(`${e}proj2`, config.outputDim, d),
      {
        projIn: plain(`${c}proj_in`, wide, config.outputDim),
        projMid: plain(`${c}proj_mid`, wide, wide),
        projOut: plain(`${c}proj_out`, config.outHidden, wide),
        ln: lnorm(`${c}ln`, config.outHidden),
      },
      work,
      new ScratchKeyValues(runtime, "audio", config.heads, d / config.heads),
    );
  }

  /**
   * Encodes one sound by itself.
   * @param mel [bins, frames], row-major
   * @param out [audioTokens(frames), outHidden]
   * @returns buffers to free after the submit
   */
  encode(pass: Pass, mel: Float32Array, frames: number, out: Tensor): Tensor[] {
    const { config: c, work, runtime } = this;
    const input = hostTensor(runtime, "mel", mel);
    const chunks = Math.ceil(frames / CHUNK);
    const steps = chunks > 1 ? CHUNK : frames; // one short sound stays short, of several chunks the last is padded
    const { tokens, perChunk } = this.#convolve(pass, input, frames, chunks, steps);

    const rows = audioTokens(frames);
    const kept = keptSteps(rows, perChunk);
    const index = hostTensor(runtime, "kept steps", kept.index);
    const step = hostTensor(runtime, "step in chunk", kept.step);
    const segments = segmentsOf(runtime, rows, c.window || rows);
    const kv = this.scratch.get(rows);
    const x = work.get("audio x", rows, c.dModel);
    gather(pass, tokens, index, x, { table: this.positions, other: step });
    const y = work.get("audio y", rows, c.dModel);
    const qkv = work.get("audio qkv", rows, 3 * c.dModel);
    const inner = work.get("audio inner", rows, c.ffn);
    const dim = c.dModel / c.heads;
    this.layers.forEach((layer, i) => {
      norm(pass, layer.attnNorm, x, y);
      linear(pass, layer.qkv, y, qkv);
      attend(
        pass,
        { qkv, heads: c.heads, kvHeads: c.heads, dim, norms: null, angles: null, ...segments },
        kv,
        y,
      );
      linear(pass, layer.out, y, x, { add: true });
      norm(pass, layer.ffnNorm, x, y);
      linear(pass, layer.fc1, y, inner, { act: "gelu_erf" });
      linear(pass, layer.fc2, inner, x, { add: true });
      pass.tap(`audio.layer_out.${i}`, x);
    });
    norm(pass, this.lnPost, x, y);
    linear(pass, this.proj1, y, x, { act: "gelu_erf" });
    const encoded = work.get("audio encoded", rows, c.outputDim);
    linear(pass, this.proj2, x, encoded);
    pass.tap("audio.encoder_out", encoded);
    this.#connect(pass, encoded, out);
    return [input, index, step, segments.place, segments.tables, segments.tiles];
  }

  /** Three 3×3 convolutions of stride 2 as matmuls over [chunk, time, frequency, channel], then conv_out. */
  #convolve(pass: Pass, mel: Tensor, frames: number, chunks: number, steps: number) {
    const { config: c, work } = this;
    let input = mel;
    let t = steps;
    let f = c.melBins;
    let channels = 1;
    let strides = { chunk_stride: CHUNK, t_stride: 1, f_stride: frames };
    let limits = { chunk_t: CHUNK, valid: frames };
    for (const layer of this.conv) {
      const to = { t: halve(t), f: halve(f) };
      const rows = chunks * to.t * to.f;
      const patches = work.get("conv patches", rows, layer.k);
      pass.run(convPatches, { x: input, out: patches }, {
        rows,
        t_in: t,
        f_in: f,
        t_out: to.t,
        f_out: to.f,
        channels,
        ...strides,
        ...limits,
        out_stride: patches.stride,
      });
      const out = work.get(`conv ${f}`, rows, c.convChannels);
      linear(pass, layer, patches, out, { act: "gelu_erf" });
      input = out;
      ({ t, f } = to);
      channels = c.convChannels;
      strides = { chunk_stride: t * f * out.stride, t_stride: f * out.stride, f_stride: out.stride };
      limits = { chunk_t: 0, valid: t };
    }
    const tokens = work.get("conv_out", chunks * t, c.dModel);
    linear(pass, this.convOut, reshape(input, chunks * t, f * channels), tokens);
    pass.tap("audio.conv_out", tokens);
    return { tokens, perChunk: t };
  }

  /** Linear, GELU, Linear, GELU, Linear, LayerNorm: [rows, output_dim] → [rows, hidden]. */
  #connect(pass: Pass, x: Tensor, out: Tensor): void {
    const { projIn, projMid, projOut, ln } = this.connector;
    const a = this.work.get("connector a", x.rows, projIn.n);
    const b = this.work.get("connector b", x.rows, projMid.n);
    const last = this.work.get("connector c", x.rows, projOut.n);
    linear(pass, projIn, x, a, { act: "gelu_erf" });
    linear(pass, projMid, a, b, { act: "gelu_erf" });
    linear(pass, projOut, b, last);
    norm(pass, ln, last, out);
    pass.tap("audio.connector_out", out);
  }
}

/** Kernel columns (time, frequency, channel) → the checkpoint's (channel, frequency, time); −1 pads to k. */
function convColumns(channels: number, k: number): Int32Array {
  return Int32Array.from({ length: k }, (_, i) => {
    const tap = Math.floor(i / channels);
    if (tap >= 9) return -1;
    return (i % channels) * 9 + (tap % 3) * 3 + Math.floor(tap / 3);
  });
}

/** First half sin, second half cos, log step ln(10000) / (d/2 − 1); rows of `stride`. */
function sinusoids(steps: number, d: number, stride: number): Float32Array {
  const half = d / 2;
  const out = new Float32Array(steps * stride);
  for (let s = 0; s < steps; s++) {
    for (let i = 0; i < half; i++) {
      const angle = s * Math.fround(Math.exp(-Math.log(10000) / (half - 1) * i));
      out[s * stride + i] = Math.sin(angle);
      out[s * stride + half + i] = Math.cos(angle);
    }
  }
  return out;
}

/** Padded steps stand at the end of the last chunk: token i is step i of the conv output, its place restarts a chunk. */
function keptSteps(rows: number, perChunk: number) {
  return {
    index: Uint32Array.from({ length: rows }, (_, i) => i),
    step: Uint32Array.from({ length: rows }, (_, i) => i % perChunk),
  };
}
