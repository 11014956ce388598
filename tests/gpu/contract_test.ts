/** Kernels are validated against their contract; errors of shaders, limits and lost devices are clear. */
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { kernel, parseWgsl } from "../../src/gpu/kernel.ts";
import * as kernels from "../../src/gpu/kernels.ts";
import { gpuTest, words } from "../support/gpu.ts";

const GOOD = `struct Shape { n: u32, eps: f32 }
override WG: u32 = 4u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(WG) fn main(@builtin(global_invocation_id) id: vec3u) { out[id.x] = x[id.x] + shape.eps; }`;

const contract = {
  buffers: { x: "read", out: "write" },
  shape: { n: "u32", eps: "f32" },
  grid: (s: { n: number }) => [Math.ceil(s.n / 4)] as const,
} as const;

Deno.test("kernel: a file that fits its contract is taken", () => {
  assertEquals(kernel("good", GOOD, contract).constants, { WG: 4 });
});

Deno.test("kernel: each way to differ is named with both sides", async () => {
  const broken: [string, RegExp][] = [
    [GOOD.replace("read> x", "read_write> x"), /x: write.*x: read/],
    [GOOD.replace(/\bx\b/g, "y"), /y: read.*x: read/],
    [GOOD.replace("n: u32, eps: f32", "eps: f32, n: u32"), /eps: f32, n: u32.*n: u32, eps: f32/],
    [GOOD.replace("eps: f32 }", "eps: u32 }"), /eps: u32.*eps: f32/],
    [GOOD.replace("@binding(2)", "@binding(3)"), /binding 3 \(out\) is out of order/],
    [GOOD.replace("@group(0) @binding(2)", "@group(1) @binding(2)"), /group 1/],
    [GOOD.replace("fn main", "fn other"), /one fn main/],
    [GOOD.replace("struct Shape", "struct Other"), /no struct Shape/],
  ];
  for (const [wgsl, pattern] of broken) await assertThrows(() => kernel("bad", wgsl, contract), pattern);
});

Deno.test("kernels: names are files, and no kernel binds more than WebGPU's least limits allow", () => {
  const entries = [...Deno.readDirSync(new URL("../../wgsl", import.meta.url))];
  const files = entries.filter((e) => e.isFile).map((e) => e.name).sort();
  assertEquals(Object.values(kernels).map((k) => `${k.name}.wgsl`).sort(), files);
  for (const k of Object.values(kernels)) {
    const storage = Object.values(k.buffers).filter((access) => access === "read" || access === "write");
    assert(storage.length <= 8, `${k.name} binds ${storage.length}`);
    const uniforms = 1 + Object.values(k.buffers).filter((access) => access === "uniform").length;
    assert(uniforms <= 12, `${k.name} binds ${uniforms} uniform buffers`);
    const textures = Object.values(k.buffers).filter((access) => access.startsWith("texture"));
    assert(
      textures.length <= 4,
      `${k.name} binds ${textures.length} textures, all storage textures in some profile`,
    );
    const text = Deno.readTextFileSync(new URL(`../../wgsl/${k.name}.wgsl`, import.meta.url));
    assertEquals(parseWgsl(k.name, text).constants, k.constants);
    assert(!/\b(\w+) != \1\b/.test(text), `${k.name}: x != x is no NaN test in WGSL`);
  }
});

gpuTest("pass: a shader that does not compile is reported with name and line", async (runtime) => {
  const bad = kernel("bad", GOOD.replace("shape.eps", "shape.missing"), contract);
  runtime.pipeline(bad, undefined);
  await assertThrows(() => runtime.checkShaders(), /Cannot compile bad\.wgsl, line \d+/);
  await runtime.gpu.queue.onSubmittedWorkDone();
  assert(runtime.gpu.error !== null, "the pipeline's error is held");
  runtime.gpu.error = null;
});

gpuTest("pass: unknown override, bad shape value, over-large binding, lost device", async (runtime) => {
  const good = kernel("good", GOOD, contract);
  const x = words(runtime, new Float32Array(8));
  const out = words(runtime, new Float32Array(8));
  const pass = runtime.begin("test");
  await assertThrows(() => pass.run(good, { x, out }, { n: 8, eps: 1 }, { NOPE: 1 }), /no override NOPE/);
  await assertThrows(() => pass.run(good, { x, out }, { n: 8, eps: NaN }), /eps is NaN/);
  const limit = runtime.gpu.limits.storageBinding;
  runtime.gpu.limits.storageBinding = 16;
  const wide = words(runtime, new Float32Array(8));
  await assertThrows(
    () => pass.run(good, { x: wide, out }, { n: 8, eps: 1 }),
    /x spans 32 bytes, the adapter binds 16/,
  );
  runtime.gpu.limits.storageBinding = limit;
  pass.run(good, { x, out }, { n: 8, eps: 1 });
  runtime.gpu.device.destroy();
  await runtime.gpu.whenLost;
  await assertThrows(() => pass.submit(), /device is lost/);
  await assertThrows(() => runtime.begin("later"), /device is lost/);
});
