/**
 * The one dispatch seam: pipelines and bind groups made once, uniforms in one arena, one submit a step;
 * labels, timings, taps and error reports live here and not in the math.
 */
import type { Gpu } from "./device.ts";
import { GpuError } from "./device.ts";
import type { Access, Constants, Kernel, Scalar, ShapeOf } from "./kernel.ts";
import { type Buf, byteLength, Memory, type Tensor, type Texels, WINDOW } from "./tensor.ts";

const BINDING = {
  read: { buffer: { type: "read-only-storage" } },
  write: { buffer: { type: "storage" } },
  uniform: { buffer: { type: "uniform" } },
  texture: { texture: { sampleType: "uint" } },
  texture_write: { storageTexture: { access: "write-only", format: "rgba32uint" } },
} as const;

/** What can be bound. */
export type Bound = Tensor | Texels;

interface Pipeline {
  key: number;
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  constants: Constants;
}

/** Choices that depend on the device and are made by measurement (profile.ts). */
export interface Profile {
  /** Where weights, keys and values lie: storage buffers, or textures (with x in uniform windows). */
  memory: "buffer" | "texture";
  /** With buffers, one row: a thread has whole rows of weights, or K is split over a workgroup. */
  matvec: "rows" | "split";
  /** With buffers, many rows: tiles in registers, or in workgroup memory. */
  matmul: "rows" | "tiled";
  /** With buffers, many rows: each row for itself, or keys and values in workgroup memory for 16 of them. */
  attention: "rows" | "tiled";
}

/** The combinations that are tested; measurement picks among their parts. */
export const PROFILES = {
  threads: { memory: "buffer", matvec: "rows", matmul: "rows", attention: "rows" },
  workgroups: { memory: "buffer", matvec: "split", matmul: "tiled", attention: "tiled" },
  textures: { memory: "texture", matvec: "rows", matmul: "rows", attention: "rows" },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;

/** What `profile` collects: one row a dispatch. */
export interface Timing {
  kernel: string;
  nanoseconds: number;
  bytes: number;
}

export type Tap = (name: string, tensor: Tensor) => void;

const UNIFORM_BYTES = 8 * 1024 * 1024;
const MAX_TIMED = 2048;

/** A device with its caches: the runtime that every model of a process shares. */
export class Runtime {
  readonly memory: Memory;
  #pipelines = new Map<string, Pipeline>();
  #modules = new Map<Kernel, GPUShaderModule>();
  #layouts = new Map<string, GPUBindGroupLayout>();
  #groups = new Map<string, GPUBindGroup>();
  #uniforms: Buf;
  #uniformAt = 0;
  #uniformOf = new Map<string, number>();
  #shaderErrors: Promise<void>[] = [];
  /** Submits and dispatches since the start: for benches. */
  readonly counters = { submits: 0, dispatches: 0 };
  /** While timing: one reader a submitted pass. */
  timings: (() => Promise<Timing[]>)[] | null = null;

  constructor(readonly gpu: Gpu, public profile: Profile = PROFILES.threads) {
    this.memory = new Memory(gpu);
    this.#uniforms = this.memory.buffer("uniforms", UNIFORM_BYTES, GPUBufferUsage.UNIFORM);
  }

  /** From here on every dispatch is timed, each in a compute pass of its own (slower). @throws without timestamp-query. */
  startTiming(): void {
    if (!this.gpu.has.timestamps) {
      throw new GpuError("Cannot time kernels: this adapter has no timestamp-query");
    }
    this.timings = [];
  }

  /** The times of all passes submitted since `startTiming`. */
  async stopTiming(): Promise<Timing[]> {
    const pending = this.timings ?? [];
    this.timings = null;
    return (await Promise.all(pending.map((read) => read()))).flat();
  }

  begin(label: string, options: { tap?: Tap } = {}): Pass {
    if (this.gpu.lost) throw new GpuError(`Cannot run ${label}: the device is lost (${this.gpu.lost})`);
    if (this.#uniformAt > UNIFORM_BYTES / 2) {
      this.#uniformAt = 0;
      this.#uniformOf.clear();
    }
    return new Pass(this, label, options.tap ?? null, this.timings !== null);
  }

  /** Waits for the compilation reports of all pipelines made so far. @throws GpuError with kernel, line and message. */
  async checkShaders(): Promise<void> {
    const pending = this.#shaderErrors;
    this.#shaderErrors = [];
    await Promise.all(pending);
  }

  pipeline(kernel: Kernel, constants: Constants | undefined): Pipeline {
    let key = kernel.name;
    if (constants) { for (const name in constants) key += `,${name}=${constants[name]}`; }
    const found = this.#pipelines.get(key);
    if (found) return found;
    for (const name in constants) {
      if (!(name in kernel.constants)) {
        throw new Error(`Cannot run ${kernel.name}: it has no override ${name}`);
      }
    }
    const { device } = this.gpu;
    const merged = { ...kernel.constants, ...constants };
    const module = this.#module(kernel);
    const layout = this.#layout(Object.values(kernel.buffers));
    const pipeline = device.createComputePipeline({
      label: key,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main", constants: merged },
    });
    const made = { key: this.#pipelines.size, pipeline, layout, constants: merged };
    this.#pipelines.set(key, made);
    return made;
  }

  #module(kernel: Kernel): GPUShaderModule {
    const found = this.#modules.get(kernel);
    if (found) return found;
    const made = this.gpu.device.createShaderModule({ label: kernel.name, code: kernel.wgsl });
    this.#modules.set(kernel, made);
    this.#shaderErrors.push(report(kernel.name, made));
    return made;
  }

  #layout(access: Access[]): GPUBindGroupLayout {
    const key = access.join();
    const found = this.#layouts.get(key);
    if (found) return found;
    const visibility = GPUShaderStage.COMPUTE;
    const made = this.gpu.device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...access.map((a, i) => ({
          binding: i + 1,
          visibility,
          ...BINDING[a],
        })),
      ],
    });
    this.#layouts.set(key, made);
    return made;
  }

  group(kernel: Kernel, pipeline: Pipeline, bound: readonly Bound[]): GPUBindGroup {
    let key = `${pipeline.key}`;
    for (const t of bound) key += "view" in t ? `,${t.id}` : `,${t.buf.id}:${t.offset}:${byteLength(t)}`;
    const found = this.#groups.get(key);
    if (found) return found;
    const entries: GPUBindGroupEntry[] = [{
      binding: 0,
      resource: { buffer: this.#uniforms.gpu, offset: 0, size: 256 },
    }];
    const access = Object.values(kernel.buffers);
    bound.forEach((t, i) => {
      if ("view" in t) {
        entries.push({ binding: i + 1, resource: t.view });
        return;
      }
      if (access[i] === "uniform") {
        entries.push({ binding: i + 1, resource: { buffer: t.buf.gpu, offset: t.offset, size: WINDOW } });
        return;
      }
      const size = Math.max(16, byteLength(t));
      if (size > this.gpu.limits.storageBinding) {
        const name = Object.keys(kernel.buffers)[i];
        throw new GpuError(
          `Cannot run ${kernel.name}: ${name} spans ${size} bytes, the adapter binds ${this.gpu.limits.storageBinding}`,
        );
      }
      entries.push({ binding: i + 1, resource: { buffer: t.buf.gpu, offset: t.offset, size } });
    });
    const made = this.gpu.device.createBindGroup({ label: kernel.name, layout: pipeline.layout, entries });
    if (this.#groups.size > 50_000) this.#groups.clear();
    this.#groups.set(key, made);
    return made;
  }

  /** Drops cached bind groups, which hold on to their buffers; call after freeing buffers. */
  forgetGroups(): void {
    this.#groups.clear();
  }

  /** Where these Shape values lie in the arena; equal values share one place, so that decode writes none. */
  uniform(kernel: Kernel, shape: Readonly<Record<string, number>>): number {
    let key = "";
    for (const field in kernel.shape) key += `${kernel.shape[field][0]}${shape[field]},`;
    const found = this.#uniformOf.get(key);
    if (found !== undefined) return found;
    const step = this.gpu.limits.uniformAlignment;
    if (this.#uniformAt + step > UNIFORM_BYTES) {
      throw new GpuError(`Cannot run ${kernel.name}: one step has too many dispatches of different shapes`);
    }
    const view = new DataView(new ArrayBuffer(256));
    let at = 0;
    for (const field in kernel.shape) {
      const value = shape[field];
      if (!Number.isFinite(value)) throw new Error(`Cannot run ${kernel.name}: ${field} is ${value}`);
      if (kernel.shape[field] === "f32") view.setFloat32(at, value, true);
      else if (kernel.shape[field] === "u32") view.setUint32(at, value, true);
      else view.setInt32(at, value, true);
      at += 4;
    }
    const offset = this.#uniformAt;
    this.#uniformAt += step;
    this.gpu.queue.writeBuffer(this.#uniforms.gpu, offset, view.buffer);
    this.#uniformOf.set(key, offset);
    return offset;
  }

  destroy(): void {
    this.#groups.clear();
    this.memory.freeAll();
    this.gpu.device.destroy();
  }
}

async function report(name: string, module: GPUShaderModule): Promise<void> {
  const info = await module.getCompilationInfo();
  const bad = info.messages.find((m) => m.type === "error");
  if (bad) throw new GpuError(`Cannot compile ${name}.wgsl, line ${bad.lineNum}: ${bad.message}`);
}

/** One step's commands. Not reusable after `submit`. */
export class Pass {
  #encoder: GPUCommandEncoder;
  #compute: GPUComputePassEncoder | null = null;
  #timed: { queries: GPUQuerySet; rows: { kernel: string; bytes: number }[] } | null = null;

  constructor(
    readonly runtime: Runtime,
    readonly label: string,
    private readonly tapper: Tap | null,
    timed: boolean,
  ) {
    const { device } = runtime.gpu;
    this.#encoder = device.createCommandEncoder({ label });
    if (timed) {
      this.#timed = { queries: device.createQuerySet({ type: "timestamp", count: MAX_TIMED * 2 }), rows: [] };
    }
  }

  get memory(): Memory {
    return this.runtime.memory;
  }

  /** Dispatches a kernel over its grid. Buffers are tensors; their bound size is rows × stride. */
  run<B extends Record<string, Access>, S extends Record<string, Scalar>>(
    kernel: Kernel<B, S>,
    buffers: { readonly [K in keyof B]: B[K] extends "texture" | "texture_write" ? Texels : Tensor },
    shape: ShapeOf<S>,
    constants?: Constants,
  ): void {
    const { runtime } = this;
    const any: Kernel = kernel;
    const pipeline = runtime.pipeline(any, constants);
    const bound: Bound[] = [];
    for (const name in kernel.buffers) bound.push(buffers[name]);
    const group = runtime.group(any, pipeline, bound);
    const [x, y = 1, z = 1] = kernel.grid(shape, pipeline.constants);
    if (x === 0 || y === 0 || z === 0) return;
    if (Math.max(x, y, z) > runtime.gpu.limits.workgroupsPerDimension) {
      throw new GpuError(`Cannot run ${kernel.name}: grid [${x}, ${y}, ${z}] is over the adapter's limit`);
    }
    const pass = this.#begin(kernel.name, bound);
    pass.setPipeline(pipeline.pipeline);
    pass.setBindGroup(0, group, [runtime.uniform(any, shape)]);
    pass.dispatchWorkgroups(x, y, z);
    runtime.counters.dispatches++;
    if (this.#timed) this.#end();
  }

  /** Copies rows · stride elements of one tensor over another. */
  copy(from: Tensor, to: Tensor, bytes = byteLength(from)): void {
    this.#end();
    this.#encoder.copyBufferToBuffer(from.buf.gpu, from.offset, to.buf.gpu, to.offset, bytes);
  }

  /** Copies a tensor's first bytes into a staging buffer. */
  copyTo(from: Tensor, staging: Buf, bytes: number): void {
    this.#end();
    this.#encoder.copyBufferToBuffer(from.buf.gpu, from.offset, staging.gpu, 0, bytes);
  }

  clear(t: Tensor): void {
    this.#end();
    this.#encoder.clearBuffer(t.buf.gpu, t.offset, byteLength(t));
  }

  /** True when somebody listens: work done for a tap alone hangs on it. */
  get tapped(): boolean {
    return this.tapper !== null;
  }

  /** Gives a copy of an intermediate result to whoever asked (golden runner), who frees it; nothing when nobody did. */
  tap(name: string, tensor: Tensor): void {
    if (!this.tapper) return;
    const copy = this.memory.tensor(name, tensor.rows, tensor.cols);
    this.copy(tensor, copy);
    this.tapper(name, copy);
  }

  submit(): void {
    this.#end();
    const { runtime } = this;
    if (runtime.gpu.lost) {
      throw new GpuError(`Cannot submit ${this.label}: the device is lost (${runtime.gpu.lost})`);
    }
    if (runtime.gpu.error) throw new GpuError(`Cannot submit ${this.label}: ${runtime.gpu.error}`);
    const read = this.#timed?.rows.length ? this.#resolveTimes(this.#timed) : null;
    runtime.gpu.queue.submit([this.#encoder.finish()]);
    runtime.counters.submits++;
    if (read) runtime.timings?.push(read);
  }

  #resolveTimes(
    timed: { queries: GPUQuerySet; rows: { kernel: string; bytes: number }[] },
  ): () => Promise<Timing[]> {
    const { memory } = this.runtime;
    const size = timed.rows.length * 16;
    const resolve = memory.buffer("timestamps", size, GPUBufferUsage.QUERY_RESOLVE);
    this.#encoder.resolveQuerySet(timed.queries, 0, timed.rows.length * 2, resolve.gpu, 0);
    const out = readBytes(this.runtime, [{ buf: resolve, offset: 0, size }], this.#encoder);
    return async () => {
      const ticks = new BigUint64Array((await out())[0].buffer);
      memory.free(resolve);
      timed.queries.destroy();
      return timed.rows.map((r, i) => ({ ...r, nanoseconds: Number(ticks[2 * i + 1] - ticks[2 * i]) }));
    };
  }

  #begin(kernel: string, bound: Bound[]): GPUComputePassEncoder {
    if (this.#timed) {
      const at = this.#timed.rows.length;
      if (at >= MAX_TIMED) throw new GpuError(`Cannot time more than ${MAX_TIMED} dispatches in one pass`);
      this.#timed.rows.push({
        kernel,
        bytes: bound.reduce((sum, t) => sum + ("view" in t ? t.bytes : byteLength(t)), 0),
      });
      const timestampWrites = {
        querySet: this.#timed.queries,
        beginningOfPassWriteIndex: 2 * at,
        endOfPassWriteIndex: 2 * at + 1,
      };
      return this.#compute = this.#encoder.beginComputePass({ label: kernel, timestampWrites });
    }
    return this.#compute ??= this.#encoder.beginComputePass({ label: this.label });
  }

  #end(): void {
    this.#compute?.end();
    this.#compute = null;
  }
}

/**
 * Prepares a read-back of byte ranges: the copies go into `encoder` (or one of its own, submitted at once).
 * The returned function maps, reads and frees. @throws GpuError when the device was lost.
 */
export function readBytes(
  runtime: Runtime,
  ranges: { buf: Buf; offset: number; size: number }[],
  encoder?: GPUCommandEncoder,
): () => Promise<Uint8Array<ArrayBuffer>[]> {
  const { memory, gpu } = runtime;
  const total = ranges.reduce((sum, r) => sum + r.size, 0);
  const staging = memory.staging("read-back", total);
  const own = encoder ?? gpu.device.createCommandEncoder({ label: "read-back" });
  let at = 0;
  for (const r of ranges) {
    own.copyBufferToBuffer(r.buf.gpu, r.offset, staging.gpu, at, r.size);
    at += r.size;
  }
  if (!encoder) gpu.queue.submit([own.finish()]);
  return async () => {
    try {
      await staging.gpu.mapAsync(GPUMapMode.READ, 0, total);
      if (gpu.lost) throw new GpuError(`Cannot read results: the device is lost (${gpu.lost})`);
      if (gpu.error) throw new GpuError(`Cannot read results: ${gpu.error}`);
      const all = new Uint8Array(staging.gpu.getMappedRange(0, total));
      let from = 0;
      return ranges.map((r) => all.slice(from, from += r.size) as Uint8Array<ArrayBuffer>);
    } finally {
      memory.free(staging);
    }
  };
}

/** Reads whole tensors back, padding dropped: one Float32Array [rows · cols] each. */
export async function readTensors(runtime: Runtime, tensors: Tensor[]): Promise<Float32Array[]> {
  const ranges = tensors.map((t) => ({ buf: t.buf, offset: t.offset, size: byteLength(t) }));
  const bytes = await readBytes(runtime, ranges)();
  return bytes.map((b, i) => unpad(new Float32Array(b.buffer), tensors[i]));
}

function unpad(values: Float32Array, t: Tensor): Float32Array {
  if (t.stride === t.cols) return values;
  const out = new Float32Array(t.rows * t.cols);
  for (let r = 0; r < t.rows; r++) out.set(values.subarray(r * t.stride, r * t.stride + t.cols), r * t.cols);
  return out;
}
