// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for many rows: tiles of 64 × 64 through workgroup memory, 32 of K at
// a time; 256 threads, each 4 rows m × 1 quad n (discrete cards).
// WEIGHTS: quads of 4 output rows. FORMAT 0 f32, 1 f16, 2 bf16: vec4u [quad, k / per] holds the same k (or pair
// of k: low half first) of the 4 rows. FORMAT 3 int4: vec4u [quad, k / 8] holds 8 nibbles of each row (low nibbles
// k … k+3, high nibbles k+4 … k+7); scales [quad, k / 32] holds f16 (scale, minimum) of each row: w = scale · q + min.
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

fn erf_of(z: f32) -> f32 { // Abramowitz and Stegun 7.1.26, |error| < 1.5e-7
  let a = abs(z);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(z) * (1.0 - p * exp(-a * a));
}

fn activate1(v: f32) -> f32 {
  switch ACT {
    case 1u: { return 0.5 * v * (1.0 + erf_of(v * 0.70710678118654752)); }
    case 2u: { // the built-in tanh is too coarse: 1 − 2 / (exp(2u) + 1)
      let u = clamp(0.7978845608028654 * (v + 0.044715 * v * v * v), -15.0, 15.0);
      return v * (1.0 - 1.0 / (exp(2.0 * u) + 1.0));
    }
    case 3u: { return v / (1.0 + exp(-1.702 * v)); }
    case 4u: { return v / (1.0 + exp(-v)); }
    case 5u: { return max(v, 0.0); }
    default: { return v; }
  }
}

fn activate(v: vec4f) -> vec4f {
  return vec4f(activate1(v.x), activate1(v.y), activate1(v.z), activate1(v.w));
}

// 8 consecutive k of one quad: w[i] = the 4 rows' weights at k = 8 · word + i.
fn fetch(quad: u32, word: u32, w: ptr<function, array<vec4f, 8>>) {
  switch FORMAT {
    case 3u: {
      let q = weight[quad * shape.words + word];
      let s = scales[quad * ((shape.words + 3u) / 4u) + word / 4u];
      let a = unpack2x16float(s.x);
      let b = unpack2x16float(s.y);
      let c = unpack2x16float(s.z);
      let d = unpack2x16float(s.w);
      let scale = vec4f(a.x, b.x, c.x, d.x);
      let least = vec4f(a.y, b.y, c.y, d.y);
      (*w)[0] = vec4f(vec4i(q & vec4u(15u))) * scale + least;
      (*w)[1] = vec4f(vec4i((q >> vec4u(8u)) & vec4u(15u))) * scale + least;
      (*w)[2] = vec4f(vec4i((q >> vec4u(16u)) & vec4u(15u))) * scale + least;
      (*w)[3] = vec4f(vec4i((q >> vec4u(24u)) & vec4u(15u))) * scale + least;
      (*w)[4] = vec4f(vec4i((q >> vec4u(4u)) & vec4u(15u))) * scale + least;
      (*w)[5] = vec4f(vec4i((q >> vec4u(12u)) & vec4u(15u))) * scale + least;
      (*w)[6] = vec4f(vec4i((q >> vec4u(20u)) & vec4u(15u))) * scale + least;
      (*w)[7] = vec4f(vec4i(q >> vec4u(28u))) * scale + least;
    }
    case 0u: {
      let at = (quad * shape.words + word) * 8u;
      for (var i = 0u; i < 8u; i++) {
        (*w)[i] = bitcast<vec4f>(weight[at + i]);
      }
    }
    case 1u: {
      let at = (quad * shape.words + word) * 4u;
      for (var i = 0u; i < 4u; i++) {
        let q = weight[at + i];
        let a = unpack2x16float(q.x);
        let b = unpack2x16float(q.y);
        let c = unpack2x16float(q.z);
        let d = unpack2x16float(q.w);
        (*w)[2u * i] = vec4f(a.x, b.x, c.x, d.x);
        (*w)[2u * i + 1u] = vec4f(a.y, b.y, c.y, d.y);
      }
    }
    default: {
      let at = (quad * shape.words + word) * 4u;
      for (var i = 0u; i < 4u; i++) {
        let q = weight[at + i];
        (*w)[2u * i] = bitcast<vec4f>(q << vec4u(16u));
        (*w)[2u * i + 1u] = bitcast<vec4f>(q & vec4u(0xffff0000u));
      }
    }
  }
}

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
      out[to + mine] += activate(v);
    } else {
      out[to + mine] = activate(v);
    }
  }
}
