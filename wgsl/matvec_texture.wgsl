// out[m, n] (+)= act(bias[n] + Σ_k x[m, k] · w[n, k]) for few rows m: one thread, one row m × QUADS quads n.
// As matvec.wgsl, reading x through a uniform window and weights as texels: CPU drivers load those ten times faster.
// WEIGHTS: quads of 4 output rows. FORMAT 0 f32, 1 f16, 2 bf16: vec4u [quad, k / per] holds the same k (or pair
// of k: low half first) of the 4 rows. FORMAT 3 int4: vec4u [quad, k / 8] holds 8 nibbles of each row (low nibbles
// k … k+3, high nibbles k+4 … k+7); scales [quad, k / 32] holds f16 (scale, minimum) of each row: w = scale · q + min.
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

fn texel(i: u32) -> vec4u {
  return textureLoad(weight, vec2u(i & 8191u, i >> 13u), 0);
}

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

// Float formats: 8 consecutive k of one quad: w[i] = the 4 rows' weights at k = 8 · word + i.
fn fetch(quad: u32, word: u32, w: ptr<function, array<vec4f, 8>>) {
  switch FORMAT {
    case 0u: {
      let at = (quad * shape.words + word) * 8u;
      for (var i = 0u; i < 8u; i++) {
        (*w)[i] = bitcast<vec4f>(texel(at + i));
      }
    }
    case 1u: {
      let at = (quad * shape.words + word) * 4u;
      for (var i = 0u; i < 4u; i++) {
        let q = texel(at + i);
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
        let q = texel(at + i);
        (*w)[2u * i] = bitcast<vec4f>(q << vec4u(16u));
        (*w)[2u * i + 1u] = bitcast<vec4f>(q & vec4u(0xffff0000u));
      }
    }
  }
}

fn scale_of(s: vec4u) -> vec4f {
  return vec4f(unpack2x16float(s.x).x, unpack2x16float(s.y).x, unpack2x16float(s.z).x, unpack2x16float(s.w).x);
}

fn least_of(s: vec4u) -> vec4f {
  return vec4f(unpack2x16float(s.x).y, unpack2x16float(s.y).y, unpack2x16float(s.z).y, unpack2x16float(s.w).y);
}

// Σ over 8 nibbles of each row; nibbles stay where they are in the word, p and q carry the powers of two.
fn nibbles(w: vec4i, p: vec4f, q: vec4f) -> vec4f {
  return vec4f(w & vec4i(0xf)) * p.x + vec4f(w & vec4i(0xf00)) * p.y + vec4f(w & vec4i(0xf0000)) * p.z
    + vec4f(w & vec4i(0xf000000)) * p.w + vec4f(w & vec4i(0xf0)) * q.x + vec4f(w & vec4i(0xf000)) * q.y
    + vec4f(w & vec4i(0xf00000)) * q.z + vec4f((w >> vec4u(28u)) & vec4i(0xf)) * q.w;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let quad = id.x * QUADS;
  if (quad >= shape.quads) {
    return;
  }
  let at = shape.x_first + group.y * shape.x_stride;
  var squares = vec4f();
  var t: array<vec4f, 8>;
  if (FORMAT == 3u) {
    let groups = (shape.words + 3u) / 4u;
    let row = quad * shape.words;
    for (var g = 0u; g < groups; g++) {
      var sum = vec4f();
      var part = array<vec4f, 8>(); // written out: naga does not clear a plain var again in each round
      let end = min(shape.words, 4u * g + 4u);
      for (var word = 4u * g; word < end; word++) {
        var p = x[at + 2u * word];
        var q = x[at + 2u * word + 1u];
        if (NORM == 1u) {
          squares += p * p + q * q;
          p *= norm[2u * word];
          q *= norm[2u * word + 1u];
        }
        sum += p + q;
        p *= vec4f(1.0, 0.00390625, 0.0000152587890625, 5.9604644775390625e-08); // 2^0, 2^-8, 2^-16, 2^-24
        q *= vec4f(0.0625, 0.000244140625, 9.5367431640625e-07, 1.0); // 2^-4, 2^-12, 2^-20; the top nibble is shifted
        part[0] += nibbles(bitcast<vec4i>(texel(row + word)), p, q);
        part[1] += nibbles(bitcast<vec4i>(texel(row + shape.words + word)), p, q);
        if (QUADS > 2u) {
          part[2] += nibbles(bitcast<vec4i>(texel(row + 2u * shape.words + word)), p, q);
          part[3] += nibbles(bitcast<vec4i>(texel(row + 3u * shape.words + word)), p, q);
        }
        if (QUADS > 4u) {
          part[4] += nibbles(bitcast<vec4i>(texel(row + 4u * shape.words + word)), p, q);
          part[5] += nibbles(bitcast<vec4i>(texel(row + 5u * shape.words + word)), p, q);
          part[6] += nibbles(bitcast<vec4i>(texel(row + 6u * shape.words + word)), p, q);
          part[7] += nibbles(bitcast<vec4i>(texel(row + 7u * shape.words + word)), p, q);
        }
      }
      let whole = sum.x + sum.y + sum.z + sum.w;
      for (var i = 0u; i < QUADS; i++) {
        let s = texel(shape.scales_at + (quad + i) * groups + g);
        t[i] += scale_of(s) * part[i] + least_of(s) * whole;
      }
    }
  } else {
    var w: array<vec4f, 8>;
    for (var word = 0u; word < shape.words; word++) {
      var p = x[at + 2u * word];
      var q = x[at + 2u * word + 1u];
      if (NORM == 1u) {
        squares += p * p + q * q;
        p *= norm[2u * word];
        q *= norm[2u * word + 1u];
      }
      for (var i = 0u; i < QUADS; i++) {
        fetch(quad + i, word, &w);
        t[i] += w[0] * p.x + w[1] * p.y + w[2] * p.z + w[3] * p.w + w[4] * q.x + w[5] * q.y + w[6] * q.z + w[7] * q.w;
      }
    }
  }
  var scale = 1.0;
  if (NORM == 1u) {
    scale = inverseSqrt((squares.x + squares.y + squares.z + squares.w) / f32(shape.cols) + shape.eps);
  }
  let to = (shape.out_first + group.y) * shape.out_stride;
  for (var i = 0u; i < QUADS; i += 2u) {
    let a = t[i] * scale + bias[quad + i];
    let b = t[i + 1u] * scale + bias[quad + i + 1u];
    if (GLU == 1u) {
      out[to + (quad + i) / 2u] = a / (1.0 + exp(-a)) * b;
    } else if (ADD == 1u) {
      out[to + quad + i] += activate(a);
      out[to + quad + i + 1u] += activate(b);
    } else {
      out[to + quad + i] = activate(a);
      out[to + quad + i + 1u] = activate(b);
    }
  }
}
