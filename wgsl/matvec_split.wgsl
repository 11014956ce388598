// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for few rows m, K split over the threads of a workgroup, so that
// neighbours read neighbouring words (discrete cards). One workgroup = QUADS quads n × ROWS rows m.
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
override WG: u32 = 64u;
override QUADS: u32 = 4u; // 2 or 4
override ROWS: u32 = 1u; // 1, 2 or 4: the weights are read once for all
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
var<workgroup> parts: array<vec4f, WG * QUADS * ROWS>;
var<workgroup> squares_of: array<f32, WG * ROWS>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quad = group.x * QUADS;
  let m = group.y * ROWS;
  var acc = array<vec4f, 16>(); // [ROWS, QUADS]
  var squares = array<f32, 4>();
  var p = array<vec4f, 4>();
  var q = array<vec4f, 4>();
  var w: array<vec4f, 8>;
  for (var word = lane; word < shape.words; word += WG) {
    for (var r = 0u; r < ROWS; r++) {
      let at = min(m + r, shape.rows - 1u) * shape.x_stride + 2u * word;
      p[r] = x[at];
      q[r] = x[at + 1u];
      if (NORM == 1u) {
        squares[r] += dot(p[r], p[r]) + dot(q[r], q[r]);
        p[r] *= norm[2u * word];
        q[r] *= norm[2u * word + 1u];
      }
    }
    for (var i = 0u; i < QUADS; i++) {
      if (quad + i < shape.quads) {
        fetch(quad + i, word, &w);
        for (var r = 0u; r < ROWS; r++) {
          acc[r * QUADS + i] += w[0] * p[r].x + w[1] * p[r].y + w[2] * p[r].z + w[3] * p[r].w
            + w[4] * q[r].x + w[5] * q[r].y + w[6] * q[r].z + w[7] * q[r].w;
        }
      }
    }
  }
  for (var i = 0u; i < QUADS * ROWS; i++) {
    parts[i * WG + lane] = acc[i];
  }
  for (var r = 0u; r < ROWS; r++) {
    squares_of[r * WG + lane] = squares[r];
  }
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      for (var i = 0u; i < QUADS * ROWS; i++) {
        parts[i * WG + lane] += parts[i * WG + lane + half];
      }
      for (var r = 0u; r < ROWS; r++) {
        squares_of[r * WG + lane] += squares_of[r * WG + lane + half];
      }
    }
    workgroupBarrier();
  }
  for (var pair = lane; pair < QUADS * ROWS / 2u; pair += WG) {
    let r = pair / (QUADS / 2u);
    let i = (pair % (QUADS / 2u)) * 2u;
    if (quad + i >= shape.quads || m + r >= shape.rows) {
      continue;
    }
    var scale = 1.0;
    if (NORM == 1u) {
      scale = inverseSqrt(squares_of[r * WG] / f32(shape.cols) + shape.eps);
    }
    let a = parts[(r * QUADS + i) * WG] * scale + bias[quad + i];
    let b = parts[(r * QUADS + i + 1u) * WG] * scale + bias[quad + i + 1u];
    let to = (m + r) * shape.out_stride;
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
