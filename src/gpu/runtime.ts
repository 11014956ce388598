/** A device with its caches: pipelines and bind groups made once, uniforms in one arena; every model of a process shares it. */
import type { Gpu } from "./device.ts";
import { GpuError } from "./device.ts";
import { type Access, type Constants, type Kernel, withStorageReads } from "./kernel.ts";
import { type Profile, PROFILES } from "./profiles.ts";
import { type Bound, Pass, type PassHost, type Pipeline, type Tap, type Tape, type Timing } from "./pass.ts";
import { type Buf, byteLength, Memory, WINDOW } from "./tensor.ts";

const BINDING = {
  read: { buffer: { type: "read-only-storage" } },
  write: { buffer: { type: "storage" } },
  uniform: { buffer: { type: "uniform" } },
  texture: { texture: { sampleType: "uint" } },
  texture_write: { storageTexture: { access: "write-only", format: "rgba32uint" } },
} as const;

/** A texture to read where the profile takes it as a storage texture. */
const STORAGE_READ = { storageTexture: { access: "read-only", format: "rgba32uint" } } as const;

const UNIFORM_BYTES = 8 * 1024 * 1024;

/** A device with its caches: the runtime that every model of a process shares. */
export class Runtime implements PassHost {
  readonly memory: Memory;
  /** Every row of a step gets the bits that it would get alone: one kernel for any number of rows. */
  batchInvariant = false;
  #pipelines = new Map<string, Pipeline>();
  /** By their text. */
  #modules = new Map<string, GPUShaderModule>();
  #layouts = new Map<string, GPUBindGroupLayout>();
  #groups = new Map<string, GPUBindGroup>();
  #uniforms: Buf;
  #uniformAt = 0;
  #uniformOf = new Map<string, number>();
  #shaderErrors: Promise<void>[] = [];
  /** Recorded runs of dispatches by the caller's key, with what `record` gave. */
  readonly tapes = new Map<string, Tape>();
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
      this.tapes.clear();
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
    const { texels } = this.profile;
    let key = texels === "storage" ? `${kernel.name} ${texels}` : kernel.name;
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
    const code = this.profile.texels === "storage" ? withStorageReads(kernel.wgsl) : kernel.wgsl;
    const found = this.#modules.get(code);
    if (found) return found;
    const made = this.gpu.device.createShaderModule({ label: kernel.name, code });
    this.#modules.set(code, made);
    this.#shaderErrors.push(report(kernel.name, made));
    return made;
  }

  #layout(access: Access[]): GPUBindGroupLayout {
    const storage = this.profile.texels === "storage";
    const key = `${access.join()} ${storage}`;
    const found = this.#layouts.get(key);
    if (found) return found;
    const visibility = GPUShaderStage.COMPUTE;
    const made = this.gpu.device.createBindGroupLayout({
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...access.map((a, i) => ({
          binding: i + 1,
          visibility,
          ...(storage && a === "texture" ? STORAGE_READ : BINDING[a]),
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
    this.tapes.clear();
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
    this.forgetGroups();
    this.memory.freeAll();
    this.gpu.device.destroy();
  }
}

async function report(name: string, module: GPUShaderModule): Promise<void> {
  const info = await module.getCompilationInfo();
  const bad = info.messages.find((m) => m.type === "error");
  if (bad) throw new GpuError(`Cannot compile ${name}.wgsl, line ${bad.lineNum}: ${bad.message}`);
}
