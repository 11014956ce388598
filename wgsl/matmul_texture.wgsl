// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]): one thread, ROWS rows m × QUADS quads n; weights unpacked once a tile.
// As matmul.wgsl, reading x through uniform windows and weights as texels: CPU drivers load those ten times faster. Each
// row of a tile has a window of its own, of `per` neighbouring rows, so that the tiles are full however wide x is.
// WEIGHTS: quads of 4 output rows. FORMAT 0 f32, 1 f16, 2 bf16: vec4u [quad, k / per] holds the same k (or pair
// of k: low half first) of the 4 rows. FORMAT 3 int4: vec4u [quad, k / 8] holds 8 nibbles of each row (low nibbles
// k … k+3, high nibbles k+4 … k+7); scales [quad, k / 32] holds f16 (scale, minimum) of each row: w = scale · q + min.
// FORMAT 4 int8: the same with 4 bytes of each row in vec4u [quad, k / 4].
struct Shape {
  rows: u32, // M
  quads: u32, // N / 4
  words: u32, // K / 8
  per: u32, // rows of a window
  x_first: u32, // where each window's first row begins in it, in vec4: 4 bits a window
  x_stride: u32, // in vec4
  out_first: u32, // first row of out
  out_stride: u32, // in vec4
  scales_at: u32, // texel where the scales begin
  cols: u32, // K
  eps: f32,
  act: u32, // parts/activate.wgsl
  add: u32, // 1: out += result (residual)
  glu: u32, // 1: quads 2i, 2i + 1 are 4 rows of gate and of up, out quad i = silu(gate) · up
}
override WG: u32 = 8u;
override FORMAT: u32 = 0u;
override NORM: u32 = 0u; // 1: x is RMS-normalised on the way: x · rsqrt(mean(x²) + eps) · norm
override ROWS: u32 = 8u; // of a tile: 4 or 8
override QUADS: u32 = 2u; // of a thread: 2 or 4; more share the loads of x, which cost as much as the sums
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> x0: array<vec4f, 4096>; // rows 0 … per − 1 of x
@group(0) @binding(2) var<uniform> x1: array<vec4f, 4096>; // the next `per` rows
@group(0) @binding(3) var<uniform> x2: array<vec4f, 4096>;
@group(0) @binding(4) var<uniform> x3: array<vec4f, 4096>;
@group(0) @binding(5) var<uniform> x4: array<vec4f, 4096>;
@group(0) @binding(6) var<uniform> x5: array<vec4f, 4096>;
@group(0) @binding(7) var<uniform> x6: array<vec4f, 4096>;
@group(0) @binding(8) var<uniform> x7: array<vec4f, 4096>;
@group(0) @binding(9) var weight: texture_2d<u32>; // rgba32uint; scales follow the weights
@group(0) @binding(10) var<storage, read> bias: array<vec4f>;
@group(0) @binding(11) var<uniform> norm: array<vec4f, 4096>;
@group(0) @binding(12) var<storage, read_write> out: array<vec4f>;
var<workgroup> squares: array<f32, 8u * WG>;
var<workgroup> row_scale: array<f32, 8>;

// Where row `row` of a window begins in it.
fn start(slot: u32, row: u32) -> u32 {
  return ((shape.x_first >> (4u * slot)) & 15u) + row * shape.x_stride;
}

fn normed(value: vec4f, gain: vec4f) -> vec4f {
  if (NORM == 1u) {
    return value * gain;
  }
  return value;
}

// acc += 8 weights of each of 4 rows · 8 values of x
fn add(acc: ptr<function, vec4f>, w: ptr<function, array<vec4f, 8>>, p: vec4f, q: vec4f) {
  *acc += (*w)[0] * p.x + (*w)[1] * p.y + (*w)[2] * p.z + (*w)[3] * p.w;
  *acc += (*w)[4] * q.x + (*w)[5] * q.y + (*w)[6] * q.z + (*w)[7] * q.w;
}

@compute @workgroup_size(WG)
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let quad = id.x * QUADS;
  let row = group.y;
  if (NORM == 1u) {
    scale_rows(row, lane);
  }
  if (quad >= shape.quads) {
    return;
  }
  var start_a = vec4f(); var start_b = vec4f(); var start_c = vec4f(); var start_d = vec4f();
  if (NORM == 0u) {
    start_a = bias[quad];
    start_b = bias[quad + 1u];
    if (QUADS > 2u) {
      start_c = bias[quad + 2u];
      start_d = bias[quad + 3u];
    }
  }
  var a0 = start_a; var a1 = start_a; var a2 = start_a; var a3 = start_a;
  var a4 = start_a; var a5 = start_a; var a6 = start_a; var a7 = start_a;
  var b0 = start_b; var b1 = start_b; var b2 = start_b; var b3 = start_b;
  var b4 = start_b; var b5 = start_b; var b6 = start_b; var b7 = start_b;
  var c0 = start_c; var c1 = start_c; var c2 = start_c; var c3 = start_c;
  var c4 = start_c; var c5 = start_c; var c6 = start_c; var c7 = start_c;
  var d0 = start_d; var d1 = start_d; var d2 = start_d; var d3 = start_d;
  var d4 = start_d; var d5 = start_d; var d6 = start_d; var d7 = start_d;
  let at0 = start(0u, row); let at1 = start(1u, row); let at2 = start(2u, row); let at3 = start(3u, row);
  let at4 = start(4u, row); let at5 = start(5u, row); let at6 = start(6u, row); let at7 = start(7u, row);
  var t: array<vec4f, 8>; var u: array<vec4f, 8>; var v: array<vec4f, 8>; var w: array<vec4f, 8>;
  for (var g = 0u; 4u * g < shape.words; g++) {
    let scales_t = scales_of(quad, g);
    let scales_u = scales_of(quad + 1u, g);
    var scales_v: Scales;
    var scales_w: Scales;
    if (QUADS > 2u) {
      scales_v = scales_of(quad + 2u, g);
      scales_w = scales_of(quad + 3u, g);
    }
    let end = min(shape.words, 4u * g + 4u);
    for (var word = 4u * g; word < end; word++) {
      fetch_scaled(quad, word, scales_t, &t);
      fetch_scaled(quad + 1u, word, scales_u, &u);
      if (QUADS > 2u) {
        fetch_scaled(quad + 2u, word, scales_v, &v);
        fetch_scaled(quad + 3u, word, scales_w, &w);
      }
      let k = 2u * word;
      var gain = vec4f();
      var gain_q = vec4f();
      if (NORM == 1u) {
        gain = norm[k];
        gain_q = norm[k + 1u];
      }
      let p0 = normed(x0[at0 + k], gain); let q0 = normed(x0[at0 + k + 1u], gain_q);
      add(&a0, &t, p0, q0); add(&b0, &u, p0, q0);
      if (QUADS > 2u) { add(&c0, &v, p0, q0); add(&d0, &w, p0, q0); }
      let p1 = normed(x1[at1 + k], gain); let q1 = normed(x1[at1 + k + 1u], gain_q);
      add(&a1, &t, p1, q1); add(&b1, &u, p1, q1);
      if (QUADS > 2u) { add(&c1, &v, p1, q1); add(&d1, &w, p1, q1); }
      let p2 = normed(x2[at2 + k], gain); let q2 = normed(x2[at2 + k + 1u], gain_q);
      add(&a2, &t, p2, q2); add(&b2, &u, p2, q2);
      if (QUADS > 2u) { add(&c2, &v, p2, q2); add(&d2, &w, p2, q2); }
      let p3 = normed(x3[at3 + k], gain); let q3 = normed(x3[at3 + k + 1u], gain_q);
      add(&a3, &t, p3, q3); add(&b3, &u, p3, q3);
      if (QUADS > 2u) { add(&c3, &v, p3, q3); add(&d3, &w, p3, q3); }
      if (ROWS > 4u) {
        let p4 = normed(x4[at4 + k], gain); let q4 = normed(x4[at4 + k + 1u], gain_q);
        add(&a4, &t, p4, q4); add(&b4, &u, p4, q4);
        if (QUADS > 2u) { add(&c4, &v, p4, q4); add(&d4, &w, p4, q4); }
        let p5 = normed(x5[at5 + k], gain); let q5 = normed(x5[at5 + k + 1u], gain_q);
        add(&a5, &t, p5, q5); add(&b5, &u, p5, q5);
        if (QUADS > 2u) { add(&c5, &v, p5, q5); add(&d5, &w, p5, q5); }
        let p6 = normed(x6[at6 + k], gain); let q6 = normed(x6[at6 + k + 1u], gain_q);
        add(&a6, &t, p6, q6); add(&b6, &u, p6, q6);
        if (QUADS > 2u) { add(&c6, &v, p6, q6); add(&d6, &w, p6, q6); }
        let p7 = normed(x7[at7 + k], gain); let q7 = normed(x7[at7 + k + 1u], gain_q);
        add(&a7, &t, p7, q7); add(&b7, &u, p7, q7);
        if (QUADS > 2u) { add(&c7, &v, p7, q7); add(&d7, &w, p7, q7); }
      }
    }
  }
  var sums = array<vec4f, 32>(
    a0, b0, c0, d0,
    a1, b1, c1, d1,
    a2, b2, c2, d2,
    a3, b3, c3, d3,
    a4, b4, c4, d4,
    a5, b5, c5, d5,
    a6, b6, c6, d6,
    a7, b7, c7, d7,
  );
  store(row, quad, &sums);
}
