/** `bench kernels`: the kernels at the shapes that matter, each with its rate and its share of the adapter's roof. */
import type { Runtime } from "../src/gpu/runtime.ts";
import { Workspace } from "../src/gpu/tensor.ts";
import { attend, createKeyValues } from "../src/model/attention.ts";
import { hostTensor } from "../src/model/blocks.ts";
import { type Linear, linear } from "../src/model/linear.ts";
import { measureRoof, printRoof, type Roof } from "./roof.ts";
import { millisecondsOf, printTable } from "./timing.ts";

/** An int4 layer of arbitrary words: time does not depend on them. */
export function syntheticLayer(runtime: Runtime, n: number, k: number): Linear {
  const words = n * k / 8;
  const all = new Uint32Array(words + n * Math.ceil(k / 32));
  for (let i = 0; i < words; i++) all[i] = Math.imul(i + 1, 2654435761) >>> 0;
  all.fill(0x18002000, words);
  const tensor = (data: Uint32Array) => ({
    buf: runtime.memory.upload("bench", data),
    offset: 0,
    rows: 1,
    cols: data.length,
    stride: data.length,
  });
  const data = runtime.profile.memory === "texture"
    ? { kind: "texture" as const, weight: runtime.memory.texels("bench", all), scalesAt: words / 4 }
    : {
      kind: "buffer" as const,
      weight: tensor(all.subarray(0, words)),
      scales: tensor(all.subarray(words)),
    };
  const bias = runtime.memory.tensor("bench bias", 1, n);
  return {
    name: "bench",
    n,
    k,
    format: "int4",
    shards: [{ first: 0, rows: n, data }],
    bias,
    bytes: all.byteLength,
  };
}

export interface KernelRow {
  kernel: string;
  shape: string;
  ms: number;
  /** GB/s of weights (scales included) or of keys and values. */
  gbps: number;
  gflops: number;
  /** Share of the roof that binds it: reads for one row, fma for many. */
  share: number;
}

const MATRICES = [[1536, 576], [4096, 4096], [12288, 4096], [4096, 12288]];

export async function measureKernels(runtime: Runtime, roof: Roof): Promise<KernelRow[]> {
  const rows: KernelRow[] = [];
  const read = runtime.profile.memory === "texture" ? roof.readTexture : roof.readBuffer;
  for (const [n, k] of MATRICES) {
    const layer = syntheticLayer(runtime, n, k);
    for (const m of [1, 8, 64]) {
      const x = runtime.memory.tensor("bench x", m, k);
      const out = runtime.memory.tensor("bench out", m, n);
      const ms = await millisecondsOf(runtime, (p) => linear(p, layer, x, out));
      const gbps = layer.bytes / ms / 1e6;
      const gflops = 2 * m * n * k / ms / 1e6;
      const share = m === 1 ? gbps / read : gflops / roof.fma;
      rows.push({
        kernel: m === 1 ? "matvec int4" : "matmul int4",
        shape: `${m} × ${n} × ${k}`,
        ms,
        gbps,
        gflops,
        share,
      });
      runtime.memory.free(x.buf);
      runtime.memory.free(out.buf);
    }
    const { data } = layer.shards[0];
    if (data.kind === "texture") runtime.memory.freeTexels(data.weight);
    else [data.weight, data.scales].forEach((t) => runtime.memory.free(t.buf));
    runtime.forgetGroups();
  }
  for (
    const [heads, kvHeads, dim, queries, keys] of [[32, 8, 128, 1, 2048], [9, 3, 64, 1, 512], [
      9,
      3,
      64,
      512,
      512,
    ]]
  ) {
    rows.push(await attentionRow(runtime, roof, read, heads, kvHeads, dim, queries, keys));
  }
  return rows;
}

async function attentionRow(
  runtime: Runtime,
  roof: Roof,
  read: number,
  heads: number,
  kvHeads: number,
  dim: number,
  queries: number,
  keys: number,
): Promise<KernelRow> {
  const kv = createKeyValues(runtime, "bench", keys, kvHeads, dim, "f16");
  const qkv = runtime.memory.tensor("bench qkv", queries, (heads + 2 * kvHeads) * dim);
  const out = runtime.memory.tensor("bench out", queries, heads * dim);
  const count = (i: number) => keys - queries + i + 1;
  const place = Uint32Array.from(
    { length: 4 * queries },
    (_, i) => [0, count(i >> 2), count(i >> 2) - 1, 0][i % 4],
  );
  const input = {
    qkv,
    heads,
    kvHeads,
    dim,
    norms: null,
    angles: hostTensor(runtime, "bench", new Float32Array(queries * dim)),
    place: hostTensor(runtime, "bench", place),
    tables: hostTensor(runtime, "bench", Uint32Array.from({ length: keys / 16 }, (_, i) => i)),
    block: 16,
    decodeKeys: queries === 1 ? keys : 0,
    work: new Workspace(runtime.memory),
  };
  const ms = await millisecondsOf(runtime, (p) => attend(p, input, kv, out));
  const seen = Array.from({ length: queries }, (_, i) => count(i)).reduce((a, b) => a + b, 0);
  const gbps = keys * kvHeads * dim * 4 / ms / 1e6;
  const gflops = seen * heads * dim * 4 / ms / 1e6;
  const share = queries === 1 ? gbps / read : gflops / roof.fma;
  const shape = `${queries} of ${keys}, ${heads}/${kvHeads} × ${dim}`;
  return {
    kernel: queries === 1 ? "attention, decode" : "attention, prefill",
    shape,
    ms,
    gbps,
    gflops,
    share,
  };
}

export async function benchKernels(runtime: Runtime): Promise<{ roof: Roof; kernels: KernelRow[] }> {
  const roof = await measureRoof(runtime);
  printRoof(roof);
  console.log(`\nkernels: ${JSON.stringify(runtime.profile)}`);
  const kernels = await measureKernels(runtime, roof);
  printTable([
    ["kernel", "shape", "ms", "GB/s", "GFLOP/s", "of roof"],
    ...kernels.map((r) => [r.kernel, r.shape, r.ms, r.gbps, r.gflops, `${(100 * r.share).toFixed(0)} %`]),
  ]);
  return { roof, kernels };
}
