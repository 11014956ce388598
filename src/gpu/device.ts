/**
 * The adapter and its device: what is asked for, what was got, and when it is lost.
 * Everything above chooses by `Gpu.has` and `Gpu.limits`, never by the adapter's name.
 */

export interface GpuFeatures {
  /** `shader-f16`: half-precision arithmetic in WGSL. Storage in f16 needs no feature (pack2x16float). */
  f16: boolean;
  subgroups: boolean;
  timestamps: boolean;
  /** `packed_4x8_integer_dot_product` of the WGSL language. */
  dot4: boolean;
  /** `readonly_and_readwrite_storage_textures` of the WGSL language. */
  storageReads: boolean;
}

export interface GpuLimits {
  /** Bytes that one storage binding may span. */
  storageBinding: number;
  /** Bytes of one buffer. */
  bufferSize: number;
  storageBuffersPerStage: number;
  /** Texels of a 2-D texture's longer side. */
  textureRows: number;
  workgroupBytes: number;
  workgroupThreads: number;
  workgroupsPerDimension: number;
  /** Alignment of a storage binding's offset. */
  storageAlignment: number;
  uniformAlignment: number;
}

export interface Gpu {
  device: GPUDevice;
  queue: GPUQueue;
  has: GpuFeatures;
  limits: GpuLimits;
  /** The adapter as the driver names it; for people, not for decisions. */
  name: string;
  /** Why the device is gone, or null. Checked before every submit and after every read-back. */
  lost: string | null;
  /** Resolves with the reason when the device is lost. */
  whenLost: Promise<string>;
  /** First uncaptured error (validation, out of memory), or null. */
  error: string | null;
}

export class GpuError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "GpuError";
  }
}

/** Least that the kernels need. An adapter below it is refused with the limit's name. */
const NEEDED = {
  maxStorageBuffersPerShaderStage: 8,
  maxBindGroups: 4,
  maxStorageBufferBindingSize: 128 * 1024 * 1024,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
} as const;

/** Opens the best adapter. @throws GpuError that says what is missing and how to get it. */
export async function openGpu(): Promise<Gpu> {
  const gpu = navigator.gpu;
  if (!gpu) {
    throw new GpuError("Cannot use WebGPU: this Deno has no navigator.gpu (run with --unstable-webgpu)");
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new GpuError(
      "Cannot find a GPU: no Vulkan, Metal or DX12 adapter (Debian: apt install mesa-vulkan-drivers)",
    );
  }
  for (const [name, least] of Object.entries(NEEDED)) {
    const got = adapter.limits[name as keyof typeof NEEDED];
    if (got < least) {
      throw new GpuError(
        `Cannot use ${
          adapter.info.description || adapter.info.device
        }: ${name} is ${got}, ${least} are needed`,
      );
    }
  }
  const wanted = ["shader-f16", "subgroups", "timestamp-query"] as const;
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f)) as GPUFeatureName[];
  const a = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures,
    requiredLimits: {
      maxStorageBufferBindingSize: a.maxStorageBufferBindingSize,
      maxBufferSize: a.maxBufferSize,
      maxStorageBuffersPerShaderStage: a.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: a.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: a.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: a.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupsPerDimension: a.maxComputeWorkgroupsPerDimension,
      maxTextureDimension2D: a.maxTextureDimension2D,
    },
  });
  const l = device.limits;
  const opened: Gpu = {
    device,
    queue: device.queue,
    has: {
      f16: device.features.has("shader-f16"),
      subgroups: device.features.has("subgroups" as GPUFeatureName),
      timestamps: device.features.has("timestamp-query"),
      dot4: gpu.wgslLanguageFeatures.has("packed_4x8_integer_dot_product"),
      storageReads: gpu.wgslLanguageFeatures.has("readonly_and_readwrite_storage_textures"),
    },
    limits: {
      storageBinding: Math.min(l.maxStorageBufferBindingSize, l.maxBufferSize),
      bufferSize: l.maxBufferSize,
      storageBuffersPerStage: l.maxStorageBuffersPerShaderStage,
      textureRows: l.maxTextureDimension2D,
      workgroupBytes: l.maxComputeWorkgroupStorageSize,
      workgroupThreads: l.maxComputeInvocationsPerWorkgroup,
      workgroupsPerDimension: l.maxComputeWorkgroupsPerDimension,
      storageAlignment: Math.max(256, l.minStorageBufferOffsetAlignment),
      uniformAlignment: Math.max(256, l.minUniformBufferOffsetAlignment),
    },
    name: adapter.info.description || adapter.info.device || adapter.info.vendor,
    lost: null,
    whenLost: Promise.resolve(""),
    error: null,
  };
  opened.whenLost = device.lost.then((info) => opened.lost = info.message || info.reason || "unknown");
  device.addEventListener("uncapturederror", (event) => {
    (event as Event).preventDefault();
    opened.error ??= (event as GPUUncapturedErrorEvent).error.message;
  });
  return opened;
}
