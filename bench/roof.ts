/** `bench roof`: what the adapter itself can do, so that every kernel can be told as a share of it. */
import fmaWgsl from "./wgsl/fma_peak.wgsl" with { type: "text" };
import nothingWgsl from "./wgsl/nothing.wgsl" with { type: "text" };
import streamBufferWgsl from "./wgsl/stream_buffer.wgsl" with { type: "text" };
import streamTextureWgsl from "./wgsl/stream_texture.wgsl" with { type: "text" };
import { kernel } from "../src/gpu/kernel.ts";
import type { Runtime } from "../src/gpu/runtime.ts";
import type { Tensor } from "../src/gpu/tensor.ts";
import { millisecondsOf, printTable } from "./timing.ts";

const streamShape = { threads: "u32", per: "u32" } as const;
const grid = (s: { threads: number }, c: Readonly<Record<string, number>>) =>
  [Math.ceil(s.threads / c.WG)] as const;
const streamBuffer = kernel("stream_buffer", streamBufferWgsl, {
  buffers: { x: "read", out: "write" },
  shape: streamShape,
  grid,
});
const streamTexture = kernel("stream_texture", streamTextureWgsl, {
  buffers: { x: "texture", out: "write" },
  shape: streamShape,
  grid,
});
const fmaPeak = kernel("fma_peak", fmaWgsl, {
  buffers: { out: "write" },
  shape: { threads: "u32", rounds: "u32" },
  grid,
});
const nothing = kernel("nothing", nothingWgsl, {
  buffers: { out: "write" },
  shape: { value: "u32" },
  grid: () => [1],
});

export interface Roof {
  adapter: string;
  /** GB/s of 16-byte reads over 32 MiB, the best of several access patterns, by where the bytes lie. */
  readBuffer: number;
  readTexture: number;
  /** GFLOP/s of f32 fused multiply-adds. */
  fma: number;
  /** Milliseconds on the device that one more dispatch in a pass costs. */
  dispatch: number;
  /** Milliseconds of host time to encode one dispatch with cached bind groups, and to submit a pass of 200. */
  encode: number;
  submit: number;
  /** Milliseconds from mapAsync to mapped on an idle device. */
  map: number;
}

const BYTES = 32 << 20;

export async function measureRoof(runtime: Runtime): Promise<Roof> {
  const { memory, gpu } = runtime;
  const buf = memory.buffer("roof", BYTES);
  const x: Tensor = { buf, offset: 0, rows: 1, cols: BYTES / 4, stride: BYTES / 4 };
  const out: Tensor = {
    buf: memory.buffer("roof out", 1 << 24),
    offset: 0,
    rows: 1,
    cols: 1 << 22,
    stride: 1 << 22,
  };
  const texels = memory.emptyTexels("roof", BYTES / 16);
  const gbps = (ms: number) => BYTES / ms / 1e6;
  let readBuffer = 0;
  let readTexture = 0;
  for (const WG of [8, 64]) {
    for (const per of [32, 256]) {
      const shape = { threads: BYTES / 16 / per, per };
      for (const STRIDED of [0, 1]) {
        const ms = await millisecondsOf(
          runtime,
          (p) => p.run(streamBuffer, { x, out }, shape, { WG, STRIDED }),
        );
        readBuffer = Math.max(readBuffer, gbps(ms));
      }
      for (
        const way of runtime.gpu.has.storageReads ? ["sampled", "storage"] as const : ["sampled"] as const
      ) {
        const { profile } = runtime;
        runtime.profile = { ...profile, texels: way };
        const ms = await millisecondsOf(
          runtime,
          (p) => p.run(streamTexture, { x: texels, out }, shape, { WG }),
        );
        runtime.profile = profile;
        readTexture = Math.max(readTexture, gbps(ms));
      }
    }
  }
  let fma = 0;
  for (const WG of [8, 64]) {
    for (const threads of [1 << 12, 1 << 16]) {
      const rounds = 256;
      const ms = await millisecondsOf(runtime, (p) => p.run(fmaPeak, { out }, { threads, rounds }, { WG }));
      fma = Math.max(fma, threads * rounds * 16 * 4 * 2 / ms / 1e6);
    }
  }
  const dispatch = await millisecondsOf(runtime, (p) => p.run(nothing, { out }, { value: 1 }));
  const host = await hostCosts(runtime, (p) => p.run(nothing, { out }, { value: 1 }));
  memory.free(buf);
  memory.free(out.buf);
  memory.freeTexels(texels);
  runtime.forgetGroups();
  return { adapter: gpu.name, readBuffer, readTexture, fma, dispatch, ...host };
}

async function hostCosts(runtime: Runtime, record: (pass: ReturnType<Runtime["begin"]>) => void) {
  const encode: number[] = [];
  const submit: number[] = [];
  const map: number[] = [];
  const staging = runtime.memory.staging("roof", 256);
  for (let i = 0; i < 20; i++) {
    const t0 = performance.now();
    const pass = runtime.begin("bench");
    for (let j = 0; j < 200; j++) record(pass);
    const t1 = performance.now();
    pass.submit();
    const t2 = performance.now();
    await runtime.gpu.queue.onSubmittedWorkDone();
    const t3 = performance.now();
    await staging.gpu.mapAsync(GPUMapMode.READ);
    map.push(performance.now() - t3);
    staging.gpu.unmap();
    encode.push((t1 - t0) / 200);
    submit.push(t2 - t1);
  }
  runtime.memory.free(staging);
  const median = (v: number[]) => v.sort((a, b) => a - b)[v.length >> 1];
  return { encode: median(encode), submit: median(submit), map: median(map) };
}

export function printRoof(roof: Roof): void {
  printTable([
    ["roof of", roof.adapter],
    ["read, storage buffer", `${roof.readBuffer.toFixed(2)} GB/s`],
    ["read, texture", `${roof.readTexture.toFixed(2)} GB/s`],
    ["f32 fma", `${roof.fma.toFixed(1)} GFLOP/s`],
    ["one more dispatch", `${(roof.dispatch * 1000).toFixed(1)} µs`],
    ["host: encode a dispatch", `${(roof.encode * 1000).toFixed(2)} µs`],
    ["host: submit 200 dispatches", `${roof.submit.toFixed(3)} ms`],
    ["host: mapAsync, idle device", `${roof.map.toFixed(2)} ms`],
  ]);
}
