// Projections q, k, v of few rows, from the hidden state to the cache in one dispatch: RMSNorm of x, x · Wᵀ + b, per-head
// RMSNorm and rotary of q and k, q to out, k and v to the cache. One workgroup = one row and one head (WG · QUADS quads of W).
// Weights as in matvec_texture.wgsl, the rest as in qkv_rope_texture.wgsl.
struct Shape {
  words: u32, // K / 8
  x_first: u32, // first row's place in the window, in vec4
  x_stride: u32, // in vec4
  out_stride: u32, // in vec4
  scales_at: u32, // texel where the scales begin
  cols: u32, // K
  heads: u32,
  kv_heads: u32,
  rows: u32,
  eps: f32, // of the norm of x
  head_eps: f32,
}
override WG: u32 = 8u;
override FORMAT: u32 = 0u;
override QUADS: u32 = 4u; // quads of one thread: dim / 4 / WG
override NORM: u32 = 1u; // 1: x is RMS-normalised on the way
override HEAD_NORM: u32 = 1u; // 1: per-head q_norm, k_norm
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8 (qkv_rope.wgsl)
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> x: array<vec4f, 4096>; // a window of some rows
@group(0) @binding(2) var weight: texture_2d<u32>; // rgba32uint; scales follow the weights
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<uniform> norm: array<vec4f, 4096>;
@group(0) @binding(5) var<storage, read> angles: array<vec4f>; // two pairs of (cos, sin)
@group(0) @binding(6) var<uniform> head_norms: array<vec4f, 4096>; // q_norm, then k_norm
@group(0) @binding(7) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(8) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(9) var k_cache: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(10) var v_cache: texture_storage_2d<rgba32uint, write>;
var<workgroup> held: array<vec4f, WG * QUADS>;

// Texel i of the head in `held` as the cache has it; `factor` is the largest of its values (int8).
fn stored(i: u32, factor: f32) -> vec4u {
  if (KV == 0u) {
    return bitcast<vec4u>(held[i]);
  }
  if (KV == 1u) {
    let a = held[2u * i];
    let b = held[2u * i + 1u];
    return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
  }
  if (i == WG * QUADS / 4u) {
    return vec4u(bitcast<u32>(factor), 0u, 0u, 0u);
  }
  return vec4u(pack4x8snorm(held[4u * i] / factor), pack4x8snorm(held[4u * i + 1u] / factor),
    pack4x8snorm(held[4u * i + 2u] / factor), pack4x8snorm(held[4u * i + 3u] / factor));
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.x;
  let row = group.y;
  let quads = WG * QUADS; // of a head
  let quad = head * quads + lane * QUADS;
  let x_at = shape.x_first + row * shape.x_stride;
  var t: array<vec4f, 8>;
  let scale = row_sums(quad, x_at, &t);
  for (var i = 0u; i < QUADS; i++) {
    held[lane * QUADS + i] = t[i] * scale + bias[quad + i];
  }
  workgroupBarrier();
  let is_q = head < shape.heads;
  let is_v = head >= shape.heads + shape.kv_heads;
  var head_scale = 1.0;
  if (HEAD_NORM == 1u) {
    var sum = vec4f();
    for (var i = 0u; i < quads; i++) {
      sum += held[i] * held[i];
    }
    head_scale = inverseSqrt((sum.x + sum.y + sum.z + sum.w) / f32(4u * quads) + shape.head_eps);
  }
  workgroupBarrier();
  if (!is_v) {
    for (var i = lane; i < quads / 2u; i += WG) {
      var a = held[i];
      var b = held[i + quads / 2u];
      if (HEAD_NORM == 1u) {
        let from_norm = select(quads, 0u, is_q);
        a *= head_scale * head_norms[from_norm + i];
        b *= head_scale * head_norms[from_norm + i + quads / 2u];
      }
      let p = angles[row * quads + 2u * i];
      let r = angles[row * quads + 2u * i + 1u];
      let c = vec4f(p.xz, r.xz);
      let s = vec4f(p.yw, r.yw);
      held[i] = a * c - b * s;
      held[i + quads / 2u] = b * c + a * s;
    }
    workgroupBarrier();
  }
  if (is_q) {
    for (var i = lane; i < quads; i += WG) {
      out[row * shape.out_stride + head * quads + i] = held[i];
    }
    return;
  }
  var factor = 1.0e-30;
  if (KV == 2u) {
    for (var i = 0u; i < quads; i++) {
      let size = abs(held[i]);
      factor = max(factor, max(max(size.x, size.y), max(size.z, size.w)));
    }
  }
  let kv_head = select(head - shape.heads, head - shape.heads - shape.kv_heads, is_v);
  let texels = select(select(quads, quads / 2u, KV == 1u), quads / 4u + 1u, KV == 2u);
  for (var i = lane; i < texels; i += WG) {
    let to = (place[row].z * shape.kv_heads + kv_head) * texels + i;
    let at = vec2u(to & 8191u, to >> 13u);
    if (is_v) {
      textureStore(v_cache, at, stored(i, factor));
    } else {
      textureStore(k_cache, at, stored(i, factor));
    }
  }
}
