// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for few rows m: one thread, one row m × QUADS quads n.
// As matvec.wgsl, reading x through a uniform window and weights as texels: CPU drivers load those ten times faster.
// WEIGHTS: quads of 4 output rows. FORMAT 0 f32, 1 f16, 2 bf16: vec4u [quad, k / per] holds the same k (or pair
// of k: low half first) of the 4 rows. FORMAT 3 int4: vec4u [quad, k / 8] holds 8 nibbles of each row (low nibbles
// k … k+3, high nibbles k+4 … k+7); scales [quad, k / 32] holds f16 (scale, minimum) of each row: w = scale · q + min.
// FORMAT 4 int8: the same with 4 bytes of each row in vec4u [quad, k / 4].
struct Shape {
  rows: u32, // M
  quads: u32, // N / 4
  words: u32, // K / 8
  x_first: u32, // first row's place in the window, in vec4
  x_stride: u32, // in vec4
  out_first: u32, // first row of out
  out_stride: u32, // in vec4
  scales_at: u32, // texel where the scales begin
  cols: u32, // K
  eps: f32,
}
override WG: u32 = 8u;
override FORMAT: u32 = 0u;
override ACT: u32 = 0u; // 0 none, 1 gelu (erf), 2 gelu (tanh), 3 quick gelu, 4 silu, 5 relu
override ADD: u32 = 0u; // 1: out += result (residual)
override QUADS: u32 = 2u; // quads of one thread: 2, 4 or 8; more share the loads of x
override NORM: u32 = 0u; // 1: x is RMS-normalised on the way: x · rsqrt(mean(x²) + eps) · norm
override GLU: u32 = 0u; // 1: quads 2i, 2i + 1 are 4 rows of gate and of up, out quad i = silu(gate) · up
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> x: array<vec4f, 4096>; // a window of some rows
@group(0) @binding(2) var weight: texture_2d<u32>; // rgba32uint; scales follow the weights
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<uniform> norm: array<vec4f, 4096>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let quad = id.x * QUADS;
  if (quad >= shape.quads) {
    return;
  }
  let at = shape.x_first + group.y * shape.x_stride;
  var t: array<vec4f, 8>;
  let scale = row_sums(quad, at, &t);
  let to = (shape.out_first + group.y) * shape.out_stride;
  for (var i = 0u; i < QUADS; i += 2u) {
    let a = t[i] * scale + bias[quad + i];
    let b = t[i + 1u] * scale + bias[quad + i + 1u];
    if (GLU == 1u) {
      out[to + (quad + i) / 2u] = a / (1.0 + exp(-a)) * b;
    } else if (ADD == 1u) {
      out[to + quad + i] += activate(ACT, a);
      out[to + quad + i + 1u] += activate(ACT, b);
    } else {
      out[to + quad + i] = activate(ACT, a);
      out[to + quad + i + 1u] = activate(ACT, b);
    }
  }
}
