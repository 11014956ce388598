// As qkv_rope.wgsl with k and v written as texels (see attention_texture.wgsl). One thread = one row and one head;
// pairs of values are stored as soon as they are made, so that nothing is shared between threads.
struct Shape {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32, // a multiple of 8
  stride: u32, // a qkv row, in vec4
  eps: f32,
}
override WG: u32 = 8u;
override NORM: u32 = 1u; // 1: per-head q_norm, k_norm
override ROPE: u32 = 1u; // 0: no rotary (audio)
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> angles: array<vec4f>; // two pairs of (cos, sin)
@group(0) @binding(2) var<uniform> q_norm: array<vec4f, 4096>;
@group(0) @binding(3) var<uniform> k_norm: array<vec4f, 4096>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read_write> qkv: array<vec4f>;
@group(0) @binding(6) var k_cache: texture_storage_2d<rgba32uint, write>;
@group(0) @binding(7) var v_cache: texture_storage_2d<rgba32uint, write>;

fn put(is_k: bool, i: u32, value: vec4u) {
  let at = vec2u(i & 8191u, i >> 13u);
  if (is_k) {
    textureStore(k_cache, at, value);
  } else {
    textureStore(v_cache, at, value);
  }
}

fn halves(a: vec4f, b: vec4f) -> vec4u {
  return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

// Quads i of the first and of the second half of the head, normed and turned.
fn turned(at: u32, i: u32, half_quads: u32, row: u32, scale: f32, is_q: bool, is_v: bool) -> array<vec4f, 2> {
  var a = qkv[at + i];
  var b = qkv[at + i + half_quads];
  if (is_v) {
    return array<vec4f, 2>(a, b);
  }
  if (NORM == 1u) {
    a *= scale * select(k_norm[i], q_norm[i], is_q);
    b *= scale * select(k_norm[i + half_quads], q_norm[i + half_quads], is_q);
  }
  if (ROPE == 1u) {
    let p = angles[(row * half_quads + i) * 2u];
    let r = angles[(row * half_quads + i) * 2u + 1u];
    let c = vec4f(p.xz, r.xz);
    let s = vec4f(p.yw, r.yw);
    let x = a * c - b * s;
    b = b * c + a * s;
    a = x;
  }
  return array<vec4f, 2>(a, b);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let total = shape.heads + 2u * shape.kv_heads;
  let row = id.x / total;
  let head = id.x % total;
  if (row >= shape.rows) {
    return;
  }
  let quads = shape.dim / 4u;
  let half_quads = quads / 2u;
  let at = row * shape.stride + head * quads;
  let is_q = head < shape.heads;
  let is_v = head >= shape.heads + shape.kv_heads;
  var scale = 1.0;
  if (NORM == 1u) {
    var sum = vec4f();
    for (var i = 0u; i < quads; i++) {
      let v = qkv[at + i];
      sum += v * v;
    }
    scale = inverseSqrt((sum.x + sum.y + sum.z + sum.w) / f32(shape.dim) + shape.eps);
  }
  if (is_q) {
    for (var i = 0u; i < half_quads; i++) {
      let pair = turned(at, i, half_quads, row, scale, true, false);
      qkv[at + i] = pair[0];
      qkv[at + i + half_quads] = pair[1];
    }
    return;
  }
  let kv_head = select(head - shape.heads, head - shape.heads - shape.kv_heads, is_v);
  let slot = place[row].z * shape.kv_heads + kv_head;
  if (KV == 0u) {
    for (var i = 0u; i < half_quads; i++) {
      let pair = turned(at, i, half_quads, row, scale, false, is_v);
      put(!is_v, slot * quads + i, bitcast<vec4u>(pair[0]));
      put(!is_v, slot * quads + i + half_quads, bitcast<vec4u>(pair[1]));
    }
    return;
  }
  if (KV == 2u) {
    var most = vec4f();
    for (var i = 0u; i < half_quads; i++) {
      let pair = turned(at, i, half_quads, row, scale, false, is_v);
      most = max(most, max(abs(pair[0]), abs(pair[1])));
    }
    let factor = max(max(max(most.x, most.y), max(most.z, most.w)), 1.0e-30);
    let texels = quads / 4u;
    for (var i = 0u; i < half_quads; i += 4u) { // dim / 4 a multiple of 8: four quads make one texel
      var low: vec4u;
      var high: vec4u;
      for (var j = 0u; j < 4u; j++) {
        let pair = turned(at, i + j, half_quads, row, scale, false, is_v);
        low[j] = pack4x8snorm(pair[0] / factor);
        high[j] = pack4x8snorm(pair[1] / factor);
      }
      put(!is_v, slot * (texels + 1u) + i / 4u, low);
      put(!is_v, slot * (texels + 1u) + (i + half_quads) / 4u, high);
    }
    put(!is_v, slot * (texels + 1u) + texels, vec4u(bitcast<u32>(factor), 0u, 0u, 0u));
    return;
  }
  for (var i = 0u; i < half_quads; i += 2u) { // dim / 4 even halves: two quads make one texel
    let p = turned(at, i, half_quads, row, scale, false, is_v);
    let r = turned(at, i + 1u, half_quads, row, scale, false, is_v);
    put(!is_v, slot * half_quads + i / 2u, halves(p[0], r[0]));
    put(!is_v, slot * half_quads + (i + half_quads) / 2u, halves(p[1], r[1]));
  }
}
