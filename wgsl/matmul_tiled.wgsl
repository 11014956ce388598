// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for many rows: tiles of 64 × 64 through workgroup memory, 32 of K at
// a time; 256 threads, each 4 rows m × 1 quad n (discrete cards).
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
var<workgroup> xs: array<vec4f, 512>; // [k 32, rows 64 / 4]: four rows a vector
var<workgroup> ws: array<vec4f, 512>; // [k 32, quads 16]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let quad = group.x * 16u;
  let m = group.y * 64u;
  let n_at = lane % 16u; // quad of this thread
  let m_at = lane / 16u; // four rows of this thread
  var acc = array<vec4f, 4>();
  var w: array<vec4f, 8>;
  for (var word = 0u; word < shape.words; word += 4u) {
    if (lane < 64u) { // 16 quads × 4 words
      let mine = word + lane / 16u;
      if (quad + n_at < shape.quads && mine < shape.words) {
        fetch(quad + n_at, mine, &w);
      } else {
        w = array<vec4f, 8>();
      }
      for (var i = 0u; i < 8u; i++) {
        ws[((lane / 16u) * 8u + i) * 16u + n_at] = w[i];
      }
    } else if (lane < 192u) { // 16 × four rows, 8 × four k
      let rows_at = (lane - 64u) / 8u;
      let k4 = (lane - 64u) % 8u;
      var v = array<vec4f, 4>();
      if (2u * word + k4 < 2u * shape.words) {
        for (var r = 0u; r < 4u; r++) {
          let row = m + rows_at * 4u + r;
          if (row < shape.rows) {
            v[r] = x[row * shape.x_stride + 2u * word + k4];
          }
        }
      }
      for (var i = 0u; i < 4u; i++) {
        xs[(k4 * 4u + i) * 16u + rows_at] = vec4f(v[0][i], v[1][i], v[2][i], v[3][i]);
      }
    }
    workgroupBarrier();
    for (var k = 0u; k < 32u; k++) {
      let a = xs[k * 16u + m_at];
      let b = ws[k * 16u + n_at];
      acc[0] += b * a.x;
      acc[1] += b * a.y;
      acc[2] += b * a.z;
      acc[3] += b * a.w;
    }
    workgroupBarrier();
  }
  if (GLU == 1u) { // the neighbouring quad's sums come through workgroup memory
    for (var r = 0u; r < 4u; r++) {
      if (n_at % 2u == 1u) {
        xs[(m_at * 4u + r) * 8u + n_at / 2u] = acc[r];
      }
    }
    workgroupBarrier();
  }
  let mine = quad + n_at;
  if (mine >= shape.quads) {
    return;
  }
  for (var r = 0u; r < 4u; r++) {
    let row = m + m_at * 4u + r;
    if (row >= shape.rows) {
      continue;
    }
    let to = row * shape.out_stride;
    let v = acc[r] + bias[mine];
    if (GLU == 1u) {
      if (n_at % 2u == 0u) {
        out[to + mine / 2u] = v / (1.0 + exp(-v)) * (xs[(m_at * 4u + r) * 8u + n_at / 2u] + bias[mine + 1u]);
      }
    } else if (ADD == 1u) {
      out[to + mine] += activate(ACT, v);
    } else {
      out[to + mine] = activate(ACT, v);
    }
  }
}
