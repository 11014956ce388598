// out[r, h] = softmax_t(q[r, h] · k[t] · scale) · v over the keys of row r, as attention_paged.wgsl, for devices
// that load texels faster than storage buffers. EACH 0: one workgroup = one row and one query head; each lane goes
// through its own keys t ≡ lane (mod WG) with everything in registers, and the lanes are merged at the end. EACH 1, for
// many queries: one lane = one row and one query head over all its keys; nothing is shared or merged.
// Texel i of k and v lies at (i mod 8192, i div 8192); (place, kv head) owns dim/4 texels of f32 or dim/8 of f16 pairs.
struct Shape {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32, // a multiple of 8, at most 128
  q_stride: u32, // in vec4
  out_stride: u32, // in vec4
  block: u32, // tokens of a cache block
  scale: f32,
}
override WG: u32 = 8u;
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
override EACH: u32 = 0u; // 1: a lane a query, 0: a workgroup a query
override QUADS: u32 = 32u; // dim / 4
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var k_cache: texture_2d<u32>;
@group(0) @binding(3) var v_cache: texture_2d<u32>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read> tables: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
var<workgroup> tops: array<f32, WG>;
var<workgroup> norms: array<f32, WG>;
var<workgroup> parts: array<vec4f, WG * QUADS>;

fn key(i: u32) -> vec4u {
  return textureLoad(k_cache, vec2u(i & 8191u, i >> 13u), 0);
}

fn value(i: u32) -> vec4u {
  return textureLoad(v_cache, vec2u(i & 8191u, i >> 13u), 0);
}

fn low(t: vec4u) -> vec4f {
  return vec4f(unpack2x16float(t.x), unpack2x16float(t.y));
}

fn high(t: vec4u) -> vec4f {
  return vec4f(unpack2x16float(t.z), unpack2x16float(t.w));
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = select(group.x + group.z * 32768u, id.x / shape.heads, EACH == 1u);
  let head = select(group.y, id.x % shape.heads, EACH == 1u);
  let begin = select(lane, 0u, EACH == 1u);
  let step = select(WG, 1u, EACH == 1u);
  if (row >= shape.rows) {
    return;
  }
  let kv_head = head / (shape.heads / shape.kv_heads);
  let from_q = row * shape.q_stride + head * QUADS;
  var query: array<vec4f, 32>;
  var acc: array<vec4f, 32>;
  if (QUADS > 0u) { query[0] = q[from_q + 0u] * shape.scale; query[1] = q[from_q + 1u] * shape.scale; }
  if (QUADS > 2u) { query[2] = q[from_q + 2u] * shape.scale; query[3] = q[from_q + 3u] * shape.scale; }
  if (QUADS > 4u) { query[4] = q[from_q + 4u] * shape.scale; query[5] = q[from_q + 5u] * shape.scale; }
  if (QUADS > 6u) { query[6] = q[from_q + 6u] * shape.scale; query[7] = q[from_q + 7u] * shape.scale; }
  if (QUADS > 8u) { query[8] = q[from_q + 8u] * shape.scale; query[9] = q[from_q + 9u] * shape.scale; }
  if (QUADS > 10u) { query[10] = q[from_q + 10u] * shape.scale; query[11] = q[from_q + 11u] * shape.scale; }
  if (QUADS > 12u) { query[12] = q[from_q + 12u] * shape.scale; query[13] = q[from_q + 13u] * shape.scale; }
  if (QUADS > 14u) { query[14] = q[from_q + 14u] * shape.scale; query[15] = q[from_q + 15u] * shape.scale; }
  if (QUADS > 16u) { query[16] = q[from_q + 16u] * shape.scale; query[17] = q[from_q + 17u] * shape.scale; }
  if (QUADS > 18u) { query[18] = q[from_q + 18u] * shape.scale; query[19] = q[from_q + 19u] * shape.scale; }
  if (QUADS > 20u) { query[20] = q[from_q + 20u] * shape.scale; query[21] = q[from_q + 21u] * shape.scale; }
  if (QUADS > 22u) { query[22] = q[from_q + 22u] * shape.scale; query[23] = q[from_q + 23u] * shape.scale; }
  if (QUADS > 24u) { query[24] = q[from_q + 24u] * shape.scale; query[25] = q[from_q + 25u] * shape.scale; }
  if (QUADS > 26u) { query[26] = q[from_q + 26u] * shape.scale; query[27] = q[from_q + 27u] * shape.scale; }
  if (QUADS > 28u) { query[28] = q[from_q + 28u] * shape.scale; query[29] = q[from_q + 29u] * shape.scale; }
  if (QUADS > 30u) { query[30] = q[from_q + 30u] * shape.scale; query[31] = q[from_q + 31u] * shape.scale; }
  let first = place[row].x;
  let length = place[row].y;
  var top = -3.0e38;
  var norm = 0.0;
  for (var t = begin; t < length; t += step) {
    let place = tables[first + t / shape.block] * shape.block + t % shape.block;
    var sum = vec4f();
    var factor = 1.0;
    if (KV == 2u) {
      let at = (place * shape.kv_heads + kv_head) * (QUADS / 4u + 1u);
      if (QUADS > 0u) { let k = key(at + 0u); sum += query[0] * unpack4x8snorm(k.x) + query[1] * unpack4x8snorm(k.y) + query[2] * unpack4x8snorm(k.z) + query[3] * unpack4x8snorm(k.w); }
      if (QUADS > 4u) { let k = key(at + 1u); sum += query[4] * unpack4x8snorm(k.x) + query[5] * unpack4x8snorm(k.y) + query[6] * unpack4x8snorm(k.z) + query[7] * unpack4x8snorm(k.w); }
      if (QUADS > 8u) { let k = key(at + 2u); sum += query[8] * unpack4x8snorm(k.x) + query[9] * unpack4x8snorm(k.y) + query[10] * unpack4x8snorm(k.z) + query[11] * unpack4x8snorm(k.w); }
      if (QUADS > 12u) { let k = key(at + 3u); sum += query[12] * unpack4x8snorm(k.x) + query[13] * unpack4x8snorm(k.y) + query[14] * unpack4x8snorm(k.z) + query[15] * unpack4x8snorm(k.w); }
      if (QUADS > 16u) { let k = key(at + 4u); sum += query[16] * unpack4x8snorm(k.x) + query[17] * unpack4x8snorm(k.y) + query[18] * unpack4x8snorm(k.z) + query[19] * unpack4x8snorm(k.w); }
      if (QUADS > 20u) { let k = key(at + 5u); sum += query[20] * unpack4x8snorm(k.x) + query[21] * unpack4x8snorm(k.y) + query[22] * unpack4x8snorm(k.z) + query[23] * unpack4x8snorm(k.w); }
      if (QUADS > 24u) { let k = key(at + 6u); sum += query[24] * unpack4x8snorm(k.x) + query[25] * unpack4x8snorm(k.y) + query[26] * unpack4x8snorm(k.z) + query[27] * unpack4x8snorm(k.w); }
      if (QUADS > 28u) { let k = key(at + 7u); sum += query[28] * unpack4x8snorm(k.x) + query[29] * unpack4x8snorm(k.y) + query[30] * unpack4x8snorm(k.z) + query[31] * unpack4x8snorm(k.w); }
      factor = bitcast<f32>(key(at + QUADS / 4u).x);
    } else if (KV == 1u) {
      let at = (place * shape.kv_heads + kv_head) * (QUADS / 2u);
      if (QUADS > 0u) { let k = key(at + 0u); sum += query[0] * low(k) + query[1] * high(k); }
      if (QUADS > 2u) { let k = key(at + 1u); sum += query[2] * low(k) + query[3] * high(k); }
      if (QUADS > 4u) { let k = key(at + 2u); sum += query[4] * low(k) + query[5] * high(k); }
      if (QUADS > 6u) { let k = key(at + 3u); sum += query[6] * low(k) + query[7] * high(k); }
      if (QUADS > 8u) { let k = key(at + 4u); sum += query[8] * low(k) + query[9] * high(k); }
      if (QUADS > 10u) { let k = key(at + 5u); sum += query[10] * low(k) + query[11] * high(k); }
      if (QUADS > 12u) { let k = key(at + 6u); sum += query[12] * low(k) + query[13] * high(k); }
      if (QUADS > 14u) { let k = key(at + 7u); sum += query[14] * low(k) + query[15] * high(k); }
      if (QUADS > 16u) { let k = key(at + 8u); sum += query[16] * low(k) + query[17] * high(k); }
      if (QUADS > 18u) { let k = key(at + 9u); sum += query[18] * low(k) + query[19] * high(k); }
      if (QUADS > 20u) { let k = key(at + 10u); sum += query[20] * low(k) + query[21] * high(k); }
      if (QUADS > 22u) { let k = key(at + 11u); sum += query[22] * low(k) + query[23] * high(k); }
      if (QUADS > 24u) { let k = key(at + 12u); sum += query[24] * low(k) + query[25] * high(k); }
      if (QUADS > 26u) { let k = key(at + 13u); sum += query[26] * low(k) + query[27] * high(k); }
      if (QUADS > 28u) { let k = key(at + 14u); sum += query[28] * low(k) + query[29] * high(k); }
      if (QUADS > 30u) { let k = key(at + 15u); sum += query[30] * low(k) + query[31] * high(k); }
    } else {
      let at = (place * shape.kv_heads + kv_head) * QUADS;
      if (QUADS > 0u) { sum += query[0] * bitcast<vec4f>(key(at + 0u)); sum += query[1] * bitcast<vec4f>(key(at + 1u)); }
      if (QUADS > 2u) { sum += query[2] * bitcast<vec4f>(key(at + 2u)); sum += query[3] * bitcast<vec4f>(key(at + 3u)); }
      if (QUADS > 4u) { sum += query[4] * bitcast<vec4f>(key(at + 4u)); sum += query[5] * bitcast<vec4f>(key(at + 5u)); }
      if (QUADS > 6u) { sum += query[6] * bitcast<vec4f>(key(at + 6u)); sum += query[7] * bitcast<vec4f>(key(at + 7u)); }
      if (QUADS > 8u) { sum += query[8] * bitcast<vec4f>(key(at + 8u)); sum += query[9] * bitcast<vec4f>(key(at + 9u)); }
      if (QUADS > 10u) { sum += query[10] * bitcast<vec4f>(key(at + 10u)); sum += query[11] * bitcast<vec4f>(key(at + 11u)); }
      if (QUADS > 12u) { sum += query[12] * bitcast<vec4f>(key(at + 12u)); sum += query[13] * bitcast<vec4f>(key(at + 13u)); }
      if (QUADS > 14u) { sum += query[14] * bitcast<vec4f>(key(at + 14u)); sum += query[15] * bitcast<vec4f>(key(at + 15u)); }
      if (QUADS > 16u) { sum += query[16] * bitcast<vec4f>(key(at + 16u)); sum += query[17] * bitcast<vec4f>(key(at + 17u)); }
      if (QUADS > 18u) { sum += query[18] * bitcast<vec4f>(key(at + 18u)); sum += query[19] * bitcast<vec4f>(key(at + 19u)); }
      if (QUADS > 20u) { sum += query[20] * bitcast<vec4f>(key(at + 20u)); sum += query[21] * bitcast<vec4f>(key(at + 21u)); }
      if (QUADS > 22u) { sum += query[22] * bitcast<vec4f>(key(at + 22u)); sum += query[23] * bitcast<vec4f>(key(at + 23u)); }
      if (QUADS > 24u) { sum += query[24] * bitcast<vec4f>(key(at + 24u)); sum += query[25] * bitcast<vec4f>(key(at + 25u)); }
      if (QUADS > 26u) { sum += query[26] * bitcast<vec4f>(key(at + 26u)); sum += query[27] * bitcast<vec4f>(key(at + 27u)); }
      if (QUADS > 28u) { sum += query[28] * bitcast<vec4f>(key(at + 28u)); sum += query[29] * bitcast<vec4f>(key(at + 29u)); }
      if (QUADS > 30u) { sum += query[30] * bitcast<vec4f>(key(at + 30u)); sum += query[31] * bitcast<vec4f>(key(at + 31u)); }
    }
    let score = (sum.x + sum.y + sum.z + sum.w) * factor;
    let next = max(top, score);
    let shrink = exp(top - next);
    let e = exp(score - next);
    top = next;
    norm = norm * shrink + e;
    if (KV == 2u) {
      let at = (place * shape.kv_heads + kv_head) * (QUADS / 4u + 1u);
      let f = e * bitcast<f32>(value(at + QUADS / 4u).x);
      if (QUADS > 0u) { let v = value(at + 0u); acc[0] = acc[0] * shrink + f * unpack4x8snorm(v.x); acc[1] = acc[1] * shrink + f * unpack4x8snorm(v.y); acc[2] = acc[2] * shrink + f * unpack4x8snorm(v.z); acc[3] = acc[3] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 4u) { let v = value(at + 1u); acc[4] = acc[4] * shrink + f * unpack4x8snorm(v.x); acc[5] = acc[5] * shrink + f * unpack4x8snorm(v.y); acc[6] = acc[6] * shrink + f * unpack4x8snorm(v.z); acc[7] = acc[7] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 8u) { let v = value(at + 2u); acc[8] = acc[8] * shrink + f * unpack4x8snorm(v.x); acc[9] = acc[9] * shrink + f * unpack4x8snorm(v.y); acc[10] = acc[10] * shrink + f * unpack4x8snorm(v.z); acc[11] = acc[11] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 12u) { let v = value(at + 3u); acc[12] = acc[12] * shrink + f * unpack4x8snorm(v.x); acc[13] = acc[13] * shrink + f * unpack4x8snorm(v.y); acc[14] = acc[14] * shrink + f * unpack4x8snorm(v.z); acc[15] = acc[15] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 16u) { let v = value(at + 4u); acc[16] = acc[16] * shrink + f * unpack4x8snorm(v.x); acc[17] = acc[17] * shrink + f * unpack4x8snorm(v.y); acc[18] = acc[18] * shrink + f * unpack4x8snorm(v.z); acc[19] = acc[19] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 20u) { let v = value(at + 5u); acc[20] = acc[20] * shrink + f * unpack4x8snorm(v.x); acc[21] = acc[21] * shrink + f * unpack4x8snorm(v.y); acc[22] = acc[22] * shrink + f * unpack4x8snorm(v.z); acc[23] = acc[23] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 24u) { let v = value(at + 6u); acc[24] = acc[24] * shrink + f * unpack4x8snorm(v.x); acc[25] = acc[25] * shrink + f * unpack4x8snorm(v.y); acc[26] = acc[26] * shrink + f * unpack4x8snorm(v.z); acc[27] = acc[27] * shrink + f * unpack4x8snorm(v.w); }
      if (QUADS > 28u) { let v = value(at + 7u); acc[28] = acc[28] * shrink + f * unpack4x8snorm(v.x); acc[29] = acc[29] * shrink + f * unpack4x8snorm(v.y); acc[30] = acc[30] * shrink + f * unpack4x8snorm(v.z); acc[31] = acc[31] * shrink + f * unpack4x8snorm(v.w); }
    } else if (KV == 1u) {
      let at = (place * shape.kv_heads + kv_head) * (QUADS / 2u);
      if (QUADS > 0u) { let v = value(at + 0u); acc[0] = acc[0] * shrink + e * low(v); acc[1] = acc[1] * shrink + e * high(v); }
      if (QUADS > 2u) { let v = value(at + 1u); acc[2] = acc[2] * shrink + e * low(v); acc[3] = acc[3] * shrink + e * high(v); }
      if (QUADS > 4u) { let v = value(at + 2u); acc[4] = acc[4] * shrink + e * low(v); acc[5] = acc[5] * shrink + e * high(v); }
      if (QUADS > 6u) { let v = value(at + 3u); acc[6] = acc[6] * shrink + e * low(v); acc[7] = acc[7] * shrink + e * high(v); }
      if (QUADS > 8u) { let v = value(at + 4u); acc[8] = acc[8] * shrink + e * low(v); acc[9] = acc[9] * shrink + e * high(v); }
      if (QUADS > 10u) { let v = value(at + 5u); acc[10] = acc[10] * shrink + e * low(v); acc[11] = acc[11] * shrink + e * high(v); }
      if (QUADS > 12u) { let v = value(at + 6u); acc[12] = acc[12] * shrink + e * low(v); acc[13] = acc[13] * shrink + e * high(v); }
      if (QUADS > 14u) { let v = value(at + 7u); acc[14] = acc[14] * shrink + e * low(v); acc[15] = acc[15] * shrink + e * high(v); }
      if (QUADS > 16u) { let v = value(at + 8u); acc[16] = acc[16] * shrink + e * low(v); acc[17] = acc[17] * shrink + e * high(v); }
      if (QUADS > 18u) { let v = value(at + 9u); acc[18] = acc[18] * shrink + e * low(v); acc[19] = acc[19] * shrink + e * high(v); }
      if (QUADS > 20u) { let v = value(at + 10u); acc[20] = acc[20] * shrink + e * low(v); acc[21] = acc[21] * shrink + e * high(v); }
      if (QUADS > 22u) { let v = value(at + 11u); acc[22] = acc[22] * shrink + e * low(v); acc[23] = acc[23] * shrink + e * high(v); }
      if (QUADS > 24u) { let v = value(at + 12u); acc[24] = acc[24] * shrink + e * low(v); acc[25] = acc[25] * shrink + e * high(v); }
      if (QUADS > 26u) { let v = value(at + 13u); acc[26] = acc[26] * shrink + e * low(v); acc[27] = acc[27] * shrink + e * high(v); }
      if (QUADS > 28u) { let v = value(at + 14u); acc[28] = acc[28] * shrink + e * low(v); acc[29] = acc[29] * shrink + e * high(v); }
      if (QUADS > 30u) { let v = value(at + 15u); acc[30] = acc[30] * shrink + e * low(v); acc[31] = acc[31] * shrink + e * high(v); }
    } else {
      let at = (place * shape.kv_heads + kv_head) * QUADS;
      if (QUADS > 0u) { acc[0] = acc[0] * shrink + e * bitcast<vec4f>(value(at + 0u)); acc[1] = acc[1] * shrink + e * bitcast<vec4f>(value(at + 1u)); }
      if (QUADS > 2u) { acc[2] = acc[2] * shrink + e * bitcast<vec4f>(value(at + 2u)); acc[3] = acc[3] * shrink + e * bitcast<vec4f>(value(at + 3u)); }
      if (QUADS > 4u) { acc[4] = acc[4] * shrink + e * bitcast<vec4f>(value(at + 4u)); acc[5] = acc[5] * shrink + e * bitcast<vec4f>(value(at + 5u)); }
      if (QUADS > 6u) { acc[6] = acc[6] * shrink + e * bitcast<vec4f>(value(at + 6u)); acc[7] = acc[7] * shrink + e * bitcast<vec4f>(value(at + 7u)); }
      if (QUADS > 8u) { acc[8] = acc[8] * shrink + e * bitcast<vec4f>(value(at + 8u)); acc[9] = acc[9] * shrink + e * bitcast<vec4f>(value(at + 9u)); }
      if (QUADS > 10u) { acc[10] = acc[10] * shrink + e * bitcast<vec4f>(value(at + 10u)); acc[11] = acc[11] * shrink + e * bitcast<vec4f>(value(at + 11u)); }
      if (QUADS > 12u) { acc[12] = acc[12] * shrink + e * bitcast<vec4f>(value(at + 12u)); acc[13] = acc[13] * shrink + e * bitcast<vec4f>(value(at + 13u)); }
      if (QUADS > 14u) { acc[14] = acc[14] * shrink + e * bitcast<vec4f>(value(at + 14u)); acc[15] = acc[15] * shrink + e * bitcast<vec4f>(value(at + 15u)); }
      if (QUADS > 16u) { acc[16] = acc[16] * shrink + e * bitcast<vec4f>(value(at + 16u)); acc[17] = acc[17] * shrink + e * bitcast<vec4f>(value(at + 17u)); }
      if (QUADS > 18u) { acc[18] = acc[18] * shrink + e * bitcast<vec4f>(value(at + 18u)); acc[19] = acc[19] * shrink + e * bitcast<vec4f>(value(at + 19u)); }
      if (QUADS > 20u) { acc[20] = acc[20] * shrink + e * bitcast<vec4f>(value(at + 20u)); acc[21] = acc[21] * shrink + e * bitcast<vec4f>(value(at + 21u)); }
      if (QUADS > 22u) { acc[22] = acc[22] * shrink + e * bitcast<vec4f>(value(at + 22u)); acc[23] = acc[23] * shrink + e * bitcast<vec4f>(value(at + 23u)); }
      if (QUADS > 24u) { acc[24] = acc[24] * shrink + e * bitcast<vec4f>(value(at + 24u)); acc[25] = acc[25] * shrink + e * bitcast<vec4f>(value(at + 25u)); }
      if (QUADS > 26u) { acc[26] = acc[26] * shrink + e * bitcast<vec4f>(value(at + 26u)); acc[27] = acc[27] * shrink + e * bitcast<vec4f>(value(at + 27u)); }
      if (QUADS > 28u) { acc[28] = acc[28] * shrink + e * bitcast<vec4f>(value(at + 28u)); acc[29] = acc[29] * shrink + e * bitcast<vec4f>(value(at + 29u)); }
      if (QUADS > 30u) { acc[30] = acc[30] * shrink + e * bitcast<vec4f>(value(at + 30u)); acc[31] = acc[31] * shrink + e * bitcast<vec4f>(value(at + 31u)); }
    }
  }
  if (EACH == 1u) {
    let to = row * shape.out_stride + head * QUADS;
    if (QUADS > 0u) { out[to + 0u] = acc[0] / norm; out[to + 1u] = acc[1] / norm; }
    if (QUADS > 2u) { out[to + 2u] = acc[2] / norm; out[to + 3u] = acc[3] / norm; }
    if (QUADS > 4u) { out[to + 4u] = acc[4] / norm; out[to + 5u] = acc[5] / norm; }
    if (QUADS > 6u) { out[to + 6u] = acc[6] / norm; out[to + 7u] = acc[7] / norm; }
    if (QUADS > 8u) { out[to + 8u] = acc[8] / norm; out[to + 9u] = acc[9] / norm; }
    if (QUADS > 10u) { out[to + 10u] = acc[10] / norm; out[to + 11u] = acc[11] / norm; }
    if (QUADS > 12u) { out[to + 12u] = acc[12] / norm; out[to + 13u] = acc[13] / norm; }
    if (QUADS > 14u) { out[to + 14u] = acc[14] / norm; out[to + 15u] = acc[15] / norm; }
    if (QUADS > 16u) { out[to + 16u] = acc[16] / norm; out[to + 17u] = acc[17] / norm; }
    if (QUADS > 18u) { out[to + 18u] = acc[18] / norm; out[to + 19u] = acc[19] / norm; }
    if (QUADS > 20u) { out[to + 20u] = acc[20] / norm; out[to + 21u] = acc[21] / norm; }
    if (QUADS > 22u) { out[to + 22u] = acc[22] / norm; out[to + 23u] = acc[23] / norm; }
    if (QUADS > 24u) { out[to + 24u] = acc[24] / norm; out[to + 25u] = acc[25] / norm; }
    if (QUADS > 26u) { out[to + 26u] = acc[26] / norm; out[to + 27u] = acc[27] / norm; }
    if (QUADS > 28u) { out[to + 28u] = acc[28] / norm; out[to + 29u] = acc[29] / norm; }
    if (QUADS > 30u) { out[to + 30u] = acc[30] / norm; out[to + 31u] = acc[31] / norm; }
    return;
  }
  tops[lane] = top;
  norms[lane] = norm;
  if (QUADS > 0u) { parts[lane * QUADS + 0u] = acc[0]; parts[lane * QUADS + 1u] = acc[1]; }
  if (QUADS > 2u) { parts[lane * QUADS + 2u] = acc[2]; parts[lane * QUADS + 3u] = acc[3]; }
  if (QUADS > 4u) { parts[lane * QUADS + 4u] = acc[4]; parts[lane * QUADS + 5u] = acc[5]; }
  if (QUADS > 6u) { parts[lane * QUADS + 6u] = acc[6]; parts[lane * QUADS + 7u] = acc[7]; }
  if (QUADS > 8u) { parts[lane * QUADS + 8u] = acc[8]; parts[lane * QUADS + 9u] = acc[9]; }
  if (QUADS > 10u) { parts[lane * QUADS + 10u] = acc[10]; parts[lane * QUADS + 11u] = acc[11]; }
  if (QUADS > 12u) { parts[lane * QUADS + 12u] = acc[12]; parts[lane * QUADS + 13u] = acc[13]; }
  if (QUADS > 14u) { parts[lane * QUADS + 14u] = acc[14]; parts[lane * QUADS + 15u] = acc[15]; }
  if (QUADS > 16u) { parts[lane * QUADS + 16u] = acc[16]; parts[lane * QUADS + 17u] = acc[17]; }
  if (QUADS > 18u) { parts[lane * QUADS + 18u] = acc[18]; parts[lane * QUADS + 19u] = acc[19]; }
  if (QUADS > 20u) { parts[lane * QUADS + 20u] = acc[20]; parts[lane * QUADS + 21u] = acc[21]; }
  if (QUADS > 22u) { parts[lane * QUADS + 22u] = acc[22]; parts[lane * QUADS + 23u] = acc[23]; }
  if (QUADS > 24u) { parts[lane * QUADS + 24u] = acc[24]; parts[lane * QUADS + 25u] = acc[25]; }
  if (QUADS > 26u) { parts[lane * QUADS + 26u] = acc[26]; parts[lane * QUADS + 27u] = acc[27]; }
  if (QUADS > 28u) { parts[lane * QUADS + 28u] = acc[28]; parts[lane * QUADS + 29u] = acc[29]; }
  if (QUADS > 30u) { parts[lane * QUADS + 30u] = acc[30]; parts[lane * QUADS + 31u] = acc[31]; }
  workgroupBarrier();
  var most = -3.0e38;
  for (var i = 0u; i < WG; i++) {
    most = max(most, tops[i]);
  }
  var whole = 0.0;
  for (var i = 0u; i < WG; i++) {
    whole += norms[i] * exp(tops[i] - most);
  }
  for (var c = lane; c < QUADS; c += WG) {
    var sum = vec4f();
    for (var i = 0u; i < WG; i++) {
      sum += parts[i * QUADS + c] * exp(tops[i] - most);
    }
    out[row * shape.out_stride + head * QUADS + c] = sum / whole;
  }
}
