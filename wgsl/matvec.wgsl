// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for few rows m: one thread, one row m × 2 quads n.
// WEIGHTS: quads of 4 output rows. FORMAT 0 f32, 1 f16, 2 bf16: vec4u [quad, k / per] holds the same k (or pair
// of k: low half first) of the 4 rows. FORMAT 3 int4: vec4u [quad, k / 8] holds 8 nibbles of each row (low nibbles
// k … k+3, high nibbles k+4 … k+7); scales [quad, k / 32] holds f16 (scale, minimum) of each row: w = scale · q + min.
// FORMAT 4 int8: the same with 4 bytes of each row in vec4u [quad, k / 4].
struct Shape {
  rows: u32, // M
  quads: u32, // N / 4
  words: u32, // K / 8
  x_stride: u32, // in vec4
  out_stride: u32, // in vec4
  cols: u32, // K
  eps: f32,
}
override WG: u32 = 8u;
override FORMAT: u32 = 0u;
override ACT: u32 = 0u; // 0 none, 1 gelu (erf), 2 gelu (tanh), 3 quick gelu, 4 silu, 5 relu
override ADD: u32 = 0u; // 1: out += result (residual)
override NORM: u32 = 0u; // 1: x is RMS-normalised on the way: x · rsqrt(mean(x²) + eps) · norm
override GLU: u32 = 0u; // 1: quads 2i, 2i + 1 are 4 rows of gate and of up, out quad i = silu(gate) · up
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales: array<vec4u>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> norm: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let quad = id.x * 2u;
  if (quad >= shape.quads) {
    return;
  }
  let at = group.y * shape.x_stride;
  var a = vec4f();
  var b = vec4f();
  var squares = vec4f();
  var u: array<vec4f, 8>;
  var v: array<vec4f, 8>;
  for (var word = 0u; word < shape.words; word++) {
    fetch(quad, word, &u);
    fetch(quad + 1u, word, &v);
    var p = x[at + 2u * word];
    var q = x[at + 2u * word + 1u];
    if (NORM == 1u) {
      squares += p * p + q * q;
      p *= norm[2u * word];
      q *= norm[2u * word + 1u];
    }
    a += u[0] * p.x + u[1] * p.y + u[2] * p.z + u[3] * p.w;
    b += v[0] * p.x + v[1] * p.y + v[2] * p.z + v[3] * p.w;
    a += u[4] * q.x + u[5] * q.y + u[6] * q.z + u[7] * q.w;
    b += v[4] * q.x + v[5] * q.y + v[6] * q.z + v[7] * q.w;
  }
  if (NORM == 1u) {
    let scale = inverseSqrt((squares.x + squares.y + squares.z + squares.w) / f32(shape.cols) + shape.eps);
    a *= scale;
    b *= scale;
  }
  a += bias[quad];
  b += bias[quad + 1u];
  let to = group.y * shape.out_stride;
  if (GLU == 1u) {
    out[to + quad / 2u] = a / (1.0 + exp(-a)) * b;
    return;
  }
  if (ADD == 1u) {
    out[to + quad] += activate(ACT, a);
    out[to + quad + 1u] += activate(ACT, b);
  } else {
    out[to + quad] = activate(ACT, a);
    out[to + quad + 1u] = activate(ACT, b);
  }
}
