// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]): one thread, 8 rows m × 2 quads n; weights unpacked once a tile.
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
}
override WG: u32 = 8u;
override FORMAT: u32 = 0u;
override ACT: u32 = 0u; // 0 none, 1 gelu (erf), 2 gelu (tanh), 3 quick gelu, 4 silu, 5 relu
override ADD: u32 = 0u; // 1: out += result (residual)
override GLU: u32 = 0u; // 1: quads 2i, 2i + 1 are 4 rows of gate and of up, out quad i = silu(gate) · up
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales: array<vec4u>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

fn store(m: u32, quad: u32, a: vec4f, b: vec4f) {
  if (m >= shape.rows) {
    return;
  }
  let at = m * shape.out_stride;
  if (GLU == 1u) {
    out[at + quad / 2u] = a / (1.0 + exp(-a)) * b;
    return;
  }
  if (ADD == 1u) {
    out[at + quad] += activate(ACT, a);
    out[at + quad + 1u] += activate(ACT, b);
  } else {
    out[at + quad] = activate(ACT, a);
    out[at + quad + 1u] = activate(ACT, b);
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let quad = id.x * 2u;
  if (quad >= shape.quads) {
    return;
  }
  let m = group.y * 8u;
  let last = shape.rows - 1u;
  var at: array<u32, 8>;
  for (var i = 0u; i < 8u; i++) {
    at[i] = min(m + i, last) * shape.x_stride;
  }
  let start_a = bias[quad];
  let start_b = bias[quad + 1u];
  var a0 = start_a; var a1 = start_a; var a2 = start_a; var a3 = start_a;
  var a4 = start_a; var a5 = start_a; var a6 = start_a; var a7 = start_a;
  var b0 = start_b; var b1 = start_b; var b2 = start_b; var b3 = start_b;
  var b4 = start_b; var b5 = start_b; var b6 = start_b; var b7 = start_b;
  var u: array<vec4f, 8>;
  var v: array<vec4f, 8>;
  for (var word = 0u; word < shape.words; word++) {
    fetch(quad, word, &u);
    fetch(quad + 1u, word, &v);
    let k = 2u * word;
    let p0 = x[at[0] + k];
    let q0 = x[at[0] + k + 1u];
    a0 += u[0] * p0.x + u[1] * p0.y + u[2] * p0.z + u[3] * p0.w;
    b0 += v[0] * p0.x + v[1] * p0.y + v[2] * p0.z + v[3] * p0.w;
    a0 += u[4] * q0.x + u[5] * q0.y + u[6] * q0.z + u[7] * q0.w;
    b0 += v[4] * q0.x + v[5] * q0.y + v[6] * q0.z + v[7] * q0.w;
    let p1 = x[at[1] + k];
    let q1 = x[at[1] + k + 1u];
    a1 += u[0] * p1.x + u[1] * p1.y + u[2] * p1.z + u[3] * p1.w;
    b1 += v[0] * p1.x + v[1] * p1.y + v[2] * p1.z + v[3] * p1.w;
    a1 += u[4] * q1.x + u[5] * q1.y + u[6] * q1.z + u[7] * q1.w;
    b1 += v[4] * q1.x + v[5] * q1.y + v[6] * q1.z + v[7] * q1.w;
    let p2 = x[at[2] + k];
    let q2 = x[at[2] + k + 1u];
    a2 += u[0] * p2.x + u[1] * p2.y + u[2] * p2.z + u[3] * p2.w;
    b2 += v[0] * p2.x + v[1] * p2.y + v[2] * p2.z + v[3] * p2.w;
    a2 += u[4] * q2.x + u[5] * q2.y + u[6] * q2.z + u[7] * q2.w;
    b2 += v[4] * q2.x + v[5] * q2.y + v[6] * q2.z + v[7] * q2.w;
    let p3 = x[at[3] + k];
    let q3 = x[at[3] + k + 1u];
    a3 += u[0] * p3.x + u[1] * p3.y + u[2] * p3.z + u[3] * p3.w;
    b3 += v[0] * p3.x + v[1] * p3.y + v[2] * p3.z + v[3] * p3.w;
    a3 += u[4] * q3.x + u[5] * q3.y + u[6] * q3.z + u[7] * q3.w;
    b3 += v[4] * q3.x + v[5] * q3.y + v[6] * q3.z + v[7] * q3.w;
    let p4 = x[at[4] + k];
    let q4 = x[at[4] + k + 1u];
    a4 += u[0] * p4.x + u[1] * p4.y + u[2] * p4.z + u[3] * p4.w;
    b4 += v[0] * p4.x + v[1] * p4.y + v[2] * p4.z + v[3] * p4.w;
    a4 += u[4] * q4.x + u[5] * q4.y + u[6] * q4.z + u[7] * q4.w;
    b4 += v[4] * q4.x + v[5] * q4.y + v[6] * q4.z + v[7] * q4.w;
    let p5 = x[at[5] + k];
    let q5 = x[at[5] + k + 1u];
    a5 += u[0] * p5.x + u[1] * p5.y + u[2] * p5.z + u[3] * p5.w;
    b5 += v[0] * p5.x + v[1] * p5.y + v[2] * p5.z + v[3] * p5.w;
    a5 += u[4] * q5.x + u[5] * q5.y + u[6] * q5.z + u[7] * q5.w;
    b5 += v[4] * q5.x + v[5] * q5.y + v[6] * q5.z + v[7] * q5.w;
    let p6 = x[at[6] + k];
    let q6 = x[at[6] + k + 1u];
    a6 += u[0] * p6.x + u[1] * p6.y + u[2] * p6.z + u[3] * p6.w;
    b6 += v[0] * p6.x + v[1] * p6.y + v[2] * p6.z + v[3] * p6.w;
    a6 += u[4] * q6.x + u[5] * q6.y + u[6] * q6.z + u[7] * q6.w;
    b6 += v[4] * q6.x + v[5] * q6.y + v[6] * q6.z + v[7] * q6.w;
    let p7 = x[at[7] + k];
    let q7 = x[at[7] + k + 1u];
    a7 += u[0] * p7.x + u[1] * p7.y + u[2] * p7.z + u[3] * p7.w;
    b7 += v[0] * p7.x + v[1] * p7.y + v[2] * p7.z + v[3] * p7.w;
    a7 += u[4] * q7.x + u[5] * q7.y + u[6] * q7.z + u[7] * q7.w;
    b7 += v[4] * q7.x + v[5] * q7.y + v[6] * q7.z + v[7] * q7.w;
  }
  store(m + 0u, quad, a0, b0);
  store(m + 1u, quad, a1, b1);
  store(m + 2u, quad, a2, b2);
  store(m + 3u, quad, a3, b3);
  store(m + 4u, quad, a4, b4);
  store(m + 5u, quad, a5, b5);
  store(m + 6u, quad, a6, b6);
  store(m + 7u, quad, a7, b7);
}
