/** The one dispatch seam: one submit a step; labels, timings, taps, tapes and error reports live here and not in the math. */
import { GpuError } from "./device.ts";
import type { Access, Constants, Kernel, Scalar, ShapeOf } from "./kernel.ts";
import type { Profile } from "./profiles.ts";
import { readBytes } from "./readback.ts";
import { type Buf, byteLength, type Memory, type OnDevice, type Tensor, type Texels } from "./tensor.ts";

/** What `profile` collects: one row a dispatch. */
export interface Timing {
  kernel: string;
  nanoseconds: number;
  bytes: number;
}

/** A dispatch as it was recorded. */
export interface Command {
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
  uniform: [number];
  grid: [number, number, number];
}

/** What can be bound. */
export type Bound = Tensor | Texels;

export interface Pipeline {
  key: number;
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  constants: Constants;
}

/** Dispatches that are repeated, and what recording them gave. */
export interface Tape {
  commands: Command[];
  result: unknown;
}

/** What a pass needs of the runtime that began it. */
export interface PassHost extends OnDevice {
  readonly counters: { submits: number; dispatches: number };
  readonly tapes: Map<string, Tape>;
  timings: (() => Promise<Timing[]>)[] | null;
  profile: Profile;
  readonly batchInvariant: boolean;
  pipeline(kernel: Kernel, constants: Constants | undefined): Pipeline;
  group(kernel: Kernel, pipeline: Pipeline, bound: readonly Bound[]): GPUBindGroup;
  uniform(kernel: Kernel, shape: Readonly<Record<string, number>>): number;
}

export type Tap = (name: string, tensor: Tensor) => void;

const MAX_TIMED = 2048;

/** One step's commands. Not reusable after `submit`. */
export class Pass {
  #encoder: GPUCommandEncoder;
  #compute: GPUComputePassEncoder | null = null;
  #tape: Command[] | null = null;
  #timed: { queries: GPUQuerySet; rows: { kernel: string; bytes: number }[] } | null = null;

  constructor(
    readonly runtime: PassHost,
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
    const command: Command = {
      pipeline: pipeline.pipeline,
      group,
      uniform: [runtime.uniform(any, shape)],
      grid: [x, y, z],
    };
    this.#tape?.push(command);
    this.#dispatch(this.#begin(kernel.name, bound), command);
    if (this.#timed) this.#end();
  }

  #dispatch(pass: GPUComputePassEncoder, { pipeline, group, uniform, grid }: Command): void {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group, uniform);
    pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    this.runtime.counters.dispatches++;
  }

  /**
   * `record()`, whose dispatches are kept and repeated without running it again when `key` comes back: the host's work
   * for a decoded token. The key names all that they depend on (kernels, views, shapes); scratch that moves empties the
   * tapes. Nothing but dispatches may be recorded.
   */
  taped<T>(key: string, record: () => T): T {
    if (this.tapper || this.#timed) return record();
    const { tapes } = this.runtime;
    const found = tapes.get(key);
    if (found) {
      const pass = this.#begin(key, []);
      for (const command of found.commands) this.#dispatch(pass, command);
      return found.result as T;
    }
    const commands: Command[] = this.#tape = [];
    const result = record();
    this.#tape = null;
    tapes.set(key, { commands, result });
    return result;
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
    if (this.#tape) throw new Error(`Cannot record ${this.label}: only dispatches go on a tape`);
    this.#compute?.end();
    this.#compute = null;
  }
}
