// out[r, h] = softmax_t(q[r, h] · k[t] · scale) · v over the keys of row r, as attention_paged.wgsl, for devices
// that load texels faster than storage buffers. HEADS query heads that share a kv head go together, so that each key and
// value is fetched and unpacked once for them. EACH 0: one workgroup = one row and HEADS heads; each lane goes through its
// own keys t ≡ lane (mod WG) with everything in registers, and the lanes are merged at the end. EACH 1, for many queries:
// one lane = one row and HEADS heads over all its keys; nothing is shared or merged.
// Texel i of k and v lies at (i mod 8192, i div 8192); (place, kv head) owns dim/4 texels of f32 or dim/8 of f16 pairs.
// Arrays are indexed by constants only: else drivers keep them in memory.
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
override HEADS: u32 = 1u; // query heads that go together, at most 4, a divisor of heads / kv_heads
override QUADS: u32 = 32u; // dim / 4
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var k_cache: texture_2d<u32>;
@group(0) @binding(3) var v_cache: texture_2d<u32>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read> tables: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
var<workgroup> states: array<vec2f, WG>; // (largest score, sum of weights) of each lane
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

alias Head = array<vec4f, 32>; // a query or a weighted sum, dim values

struct Pair { // two quads of a key or value
  a: vec4f,
  b: vec4f,
}

fn pair(i: u32, first: vec4u, second: vec4u) -> Pair {
  if (KV == 0u) {
    return Pair(bitcast<vec4f>(first), bitcast<vec4f>(second));
  }
  if (KV == 1u) {
    return Pair(low(first), high(first));
  }
  let bytes = select(first.xy, first.zw, i % 2u == 1u);
  return Pair(unpack4x8snorm(bytes.x), unpack4x8snorm(bytes.y));
}

// Quads 2i and 2i + 1 of the key or value whose texels begin at `at`.
fn key_pair(at: u32, i: u32) -> Pair {
  if (KV == 0u) {
    return pair(i, key(at + 2u * i), key(at + 2u * i + 1u));
  }
  return pair(i, key(at + select(i, i / 2u, KV == 2u)), vec4u());
}

fn value_pair(at: u32, i: u32) -> Pair {
  if (KV == 0u) {
    return pair(i, value(at + 2u * i), value(at + 2u * i + 1u));
  }
  return pair(i, value(at + select(i, i / 2u, KV == 2u)), vec4u());
}

fn load_query(to: ptr<function, Head>, at: u32) {
  if (QUADS > 0u) { (*to)[0] = q[at + 0u] * shape.scale; (*to)[1] = q[at + 1u] * shape.scale; }
  if (QUADS > 2u) { (*to)[2] = q[at + 2u] * shape.scale; (*to)[3] = q[at + 3u] * shape.scale; }
  if (QUADS > 4u) { (*to)[4] = q[at + 4u] * shape.scale; (*to)[5] = q[at + 5u] * shape.scale; }
  if (QUADS > 6u) { (*to)[6] = q[at + 6u] * shape.scale; (*to)[7] = q[at + 7u] * shape.scale; }
  if (QUADS > 8u) { (*to)[8] = q[at + 8u] * shape.scale; (*to)[9] = q[at + 9u] * shape.scale; }
  if (QUADS > 10u) { (*to)[10] = q[at + 10u] * shape.scale; (*to)[11] = q[at + 11u] * shape.scale; }
  if (QUADS > 12u) { (*to)[12] = q[at + 12u] * shape.scale; (*to)[13] = q[at + 13u] * shape.scale; }
  if (QUADS > 14u) { (*to)[14] = q[at + 14u] * shape.scale; (*to)[15] = q[at + 15u] * shape.scale; }
  if (QUADS > 16u) { (*to)[16] = q[at + 16u] * shape.scale; (*to)[17] = q[at + 17u] * shape.scale; }
  if (QUADS > 18u) { (*to)[18] = q[at + 18u] * shape.scale; (*to)[19] = q[at + 19u] * shape.scale; }
  if (QUADS > 20u) { (*to)[20] = q[at + 20u] * shape.scale; (*to)[21] = q[at + 21u] * shape.scale; }
  if (QUADS > 22u) { (*to)[22] = q[at + 22u] * shape.scale; (*to)[23] = q[at + 23u] * shape.scale; }
  if (QUADS > 24u) { (*to)[24] = q[at + 24u] * shape.scale; (*to)[25] = q[at + 25u] * shape.scale; }
  if (QUADS > 26u) { (*to)[26] = q[at + 26u] * shape.scale; (*to)[27] = q[at + 27u] * shape.scale; }
  if (QUADS > 28u) { (*to)[28] = q[at + 28u] * shape.scale; (*to)[29] = q[at + 29u] * shape.scale; }
  if (QUADS > 30u) { (*to)[30] = q[at + 30u] * shape.scale; (*to)[31] = q[at + 31u] * shape.scale; }
}

fn score(query: ptr<function, Head>, at: u32) -> f32 {
  var sum = vec4f();
  if (QUADS > 0u) { let k = key_pair(at, 0u); sum += (*query)[0] * k.a + (*query)[1] * k.b; }
  if (QUADS > 2u) { let k = key_pair(at, 1u); sum += (*query)[2] * k.a + (*query)[3] * k.b; }
  if (QUADS > 4u) { let k = key_pair(at, 2u); sum += (*query)[4] * k.a + (*query)[5] * k.b; }
  if (QUADS > 6u) { let k = key_pair(at, 3u); sum += (*query)[6] * k.a + (*query)[7] * k.b; }
  if (QUADS > 8u) { let k = key_pair(at, 4u); sum += (*query)[8] * k.a + (*query)[9] * k.b; }
  if (QUADS > 10u) { let k = key_pair(at, 5u); sum += (*query)[10] * k.a + (*query)[11] * k.b; }
  if (QUADS > 12u) { let k = key_pair(at, 6u); sum += (*query)[12] * k.a + (*query)[13] * k.b; }
  if (QUADS > 14u) { let k = key_pair(at, 7u); sum += (*query)[14] * k.a + (*query)[15] * k.b; }
  if (QUADS > 16u) { let k = key_pair(at, 8u); sum += (*query)[16] * k.a + (*query)[17] * k.b; }
  if (QUADS > 18u) { let k = key_pair(at, 9u); sum += (*query)[18] * k.a + (*query)[19] * k.b; }
  if (QUADS > 20u) { let k = key_pair(at, 10u); sum += (*query)[20] * k.a + (*query)[21] * k.b; }
  if (QUADS > 22u) { let k = key_pair(at, 11u); sum += (*query)[22] * k.a + (*query)[23] * k.b; }
  if (QUADS > 24u) { let k = key_pair(at, 12u); sum += (*query)[24] * k.a + (*query)[25] * k.b; }
  if (QUADS > 26u) { let k = key_pair(at, 13u); sum += (*query)[26] * k.a + (*query)[27] * k.b; }
  if (QUADS > 28u) { let k = key_pair(at, 14u); sum += (*query)[28] * k.a + (*query)[29] * k.b; }
  if (QUADS > 30u) { let k = key_pair(at, 15u); sum += (*query)[30] * k.a + (*query)[31] * k.b; }
  return sum.x + sum.y + sum.z + sum.w;
}

// acc = acc · shrink + e · value
fn add_value(acc: ptr<function, Head>, shrink: f32, e: f32, at: u32) {
  if (QUADS > 0u) { let v = value_pair(at, 0u); (*acc)[0] = (*acc)[0] * shrink + e * v.a; (*acc)[1] = (*acc)[1] * shrink + e * v.b; }
  if (QUADS > 2u) { let v = value_pair(at, 1u); (*acc)[2] = (*acc)[2] * shrink + e * v.a; (*acc)[3] = (*acc)[3] * shrink + e * v.b; }
  if (QUADS > 4u) { let v = value_pair(at, 2u); (*acc)[4] = (*acc)[4] * shrink + e * v.a; (*acc)[5] = (*acc)[5] * shrink + e * v.b; }
  if (QUADS > 6u) { let v = value_pair(at, 3u); (*acc)[6] = (*acc)[6] * shrink + e * v.a; (*acc)[7] = (*acc)[7] * shrink + e * v.b; }
  if (QUADS > 8u) { let v = value_pair(at, 4u); (*acc)[8] = (*acc)[8] * shrink + e * v.a; (*acc)[9] = (*acc)[9] * shrink + e * v.b; }
  if (QUADS > 10u) { let v = value_pair(at, 5u); (*acc)[10] = (*acc)[10] * shrink + e * v.a; (*acc)[11] = (*acc)[11] * shrink + e * v.b; }
  if (QUADS > 12u) { let v = value_pair(at, 6u); (*acc)[12] = (*acc)[12] * shrink + e * v.a; (*acc)[13] = (*acc)[13] * shrink + e * v.b; }
  if (QUADS > 14u) { let v = value_pair(at, 7u); (*acc)[14] = (*acc)[14] * shrink + e * v.a; (*acc)[15] = (*acc)[15] * shrink + e * v.b; }
  if (QUADS > 16u) { let v = value_pair(at, 8u); (*acc)[16] = (*acc)[16] * shrink + e * v.a; (*acc)[17] = (*acc)[17] * shrink + e * v.b; }
  if (QUADS > 18u) { let v = value_pair(at, 9u); (*acc)[18] = (*acc)[18] * shrink + e * v.a; (*acc)[19] = (*acc)[19] * shrink + e * v.b; }
  if (QUADS > 20u) { let v = value_pair(at, 10u); (*acc)[20] = (*acc)[20] * shrink + e * v.a; (*acc)[21] = (*acc)[21] * shrink + e * v.b; }
  if (QUADS > 22u) { let v = value_pair(at, 11u); (*acc)[22] = (*acc)[22] * shrink + e * v.a; (*acc)[23] = (*acc)[23] * shrink + e * v.b; }
  if (QUADS > 24u) { let v = value_pair(at, 12u); (*acc)[24] = (*acc)[24] * shrink + e * v.a; (*acc)[25] = (*acc)[25] * shrink + e * v.b; }
  if (QUADS > 26u) { let v = value_pair(at, 13u); (*acc)[26] = (*acc)[26] * shrink + e * v.a; (*acc)[27] = (*acc)[27] * shrink + e * v.b; }
  if (QUADS > 28u) { let v = value_pair(at, 14u); (*acc)[28] = (*acc)[28] * shrink + e * v.a; (*acc)[29] = (*acc)[29] * shrink + e * v.b; }
  if (QUADS > 30u) { let v = value_pair(at, 15u); (*acc)[30] = (*acc)[30] * shrink + e * v.a; (*acc)[31] = (*acc)[31] * shrink + e * v.b; }
}

fn put(lane: u32, at: u32, c: u32, v: vec4f) {
  if (EACH == 1u) {
    out[at + c] = v;
  } else {
    parts[lane * QUADS + c] = v;
  }
}

fn put_all(acc: ptr<function, Head>, by: f32, lane: u32, at: u32) {
  if (QUADS > 0u) { put(lane, at, 0u, (*acc)[0] * by); put(lane, at, 1u, (*acc)[1] * by); }
  if (QUADS > 2u) { put(lane, at, 2u, (*acc)[2] * by); put(lane, at, 3u, (*acc)[3] * by); }
  if (QUADS > 4u) { put(lane, at, 4u, (*acc)[4] * by); put(lane, at, 5u, (*acc)[5] * by); }
  if (QUADS > 6u) { put(lane, at, 6u, (*acc)[6] * by); put(lane, at, 7u, (*acc)[7] * by); }
  if (QUADS > 8u) { put(lane, at, 8u, (*acc)[8] * by); put(lane, at, 9u, (*acc)[9] * by); }
  if (QUADS > 10u) { put(lane, at, 10u, (*acc)[10] * by); put(lane, at, 11u, (*acc)[11] * by); }
  if (QUADS > 12u) { put(lane, at, 12u, (*acc)[12] * by); put(lane, at, 13u, (*acc)[13] * by); }
  if (QUADS > 14u) { put(lane, at, 14u, (*acc)[14] * by); put(lane, at, 15u, (*acc)[15] * by); }
  if (QUADS > 16u) { put(lane, at, 16u, (*acc)[16] * by); put(lane, at, 17u, (*acc)[17] * by); }
  if (QUADS > 18u) { put(lane, at, 18u, (*acc)[18] * by); put(lane, at, 19u, (*acc)[19] * by); }
  if (QUADS > 20u) { put(lane, at, 20u, (*acc)[20] * by); put(lane, at, 21u, (*acc)[21] * by); }
  if (QUADS > 22u) { put(lane, at, 22u, (*acc)[22] * by); put(lane, at, 23u, (*acc)[23] * by); }
  if (QUADS > 24u) { put(lane, at, 24u, (*acc)[24] * by); put(lane, at, 25u, (*acc)[25] * by); }
  if (QUADS > 26u) { put(lane, at, 26u, (*acc)[26] * by); put(lane, at, 27u, (*acc)[27] * by); }
  if (QUADS > 28u) { put(lane, at, 28u, (*acc)[28] * by); put(lane, at, 29u, (*acc)[29] * by); }
  if (QUADS > 30u) { put(lane, at, 30u, (*acc)[30] * by); put(lane, at, 31u, (*acc)[31] * by); }
}

// Takes a score in: (largest score, sum of weights) becomes that with it; (factor of what was summed, weight of the new value).
fn admit(state: ptr<function, vec2f>, s: f32) -> vec2f {
  let next = max((*state).x, s);
  let shrink = exp((*state).x - next);
  let e = exp(s - next);
  *state = vec2f(next, (*state).y * shrink + e);
  return vec2f(shrink, e);
}

// Writes one head's result, the lanes merged where they have shared its keys.
fn finish(lane: u32, state: vec2f, acc: ptr<function, Head>, to: u32) {
  if (EACH == 1u) {
    put_all(acc, 1.0 / state.y, lane, to);
    return;
  }
  workgroupBarrier();
  states[lane] = state;
  put_all(acc, 1.0, lane, to);
  workgroupBarrier();
  var most = -3.0e38;
  for (var i = 0u; i < WG; i++) {
    most = max(most, states[i].x);
  }
  var whole = 0.0;
  for (var i = 0u; i < WG; i++) {
    whole += states[i].y * exp(states[i].x - most);
  }
  for (var c = lane; c < QUADS; c += WG) {
    var sum = vec4f();
    for (var i = 0u; i < WG; i++) {
      sum += parts[i * QUADS + c] * exp(states[i].x - most);
    }
    out[to + c] = sum / whole;
  }
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let sets = shape.heads / HEADS;
  let row = select(group.x + group.z * 32768u, id.x / sets, EACH == 1u);
  let head = HEADS * select(group.y, id.x % sets, EACH == 1u);
  if (row >= shape.rows) {
    return;
  }
  let kv_head = head / (shape.heads / shape.kv_heads);
  let from_q = row * shape.q_stride + head * QUADS;
  let to = row * shape.out_stride + head * QUADS;
  let texels = select(select(QUADS, QUADS / 2u, KV == 1u), QUADS / 4u + 1u, KV == 2u); // of one place and kv head
  var q0: Head; var q1: Head; var q2: Head; var q3: Head;
  var acc0: Head; var acc1: Head; var acc2: Head; var acc3: Head;
  load_query(&q0, from_q);
  if (HEADS > 1u) { load_query(&q1, from_q + 1u * QUADS); }
  if (HEADS > 2u) { load_query(&q2, from_q + 2u * QUADS); }
  if (HEADS > 3u) { load_query(&q3, from_q + 3u * QUADS); }
  let none = vec2f(-3.0e38, 0.0);
  var state0 = none; var state1 = none; var state2 = none; var state3 = none;
  let first = place[row].x;
  let length = place[row].y;
  let step = select(WG, 1u, EACH == 1u);
  for (var t = select(lane, 0u, EACH == 1u); t < length; t += step) {
    let place = tables[first + t / shape.block] * shape.block + t % shape.block;
    let at = (place * shape.kv_heads + kv_head) * texels;
    var factors = vec2f(1.0); // of the key and of the value
    if (KV == 2u) {
      factors = bitcast<vec2f>(vec2u(key(at + QUADS / 4u).x, value(at + QUADS / 4u).x));
    }
    let w0 = admit(&state0, score(&q0, at) * factors.x);
    add_value(&acc0, w0.x, w0.y * factors.y, at);
    if (HEADS > 1u) { let w = admit(&state1, score(&q1, at) * factors.x); add_value(&acc1, w.x, w.y * factors.y, at); }
    if (HEADS > 2u) { let w = admit(&state2, score(&q2, at) * factors.x); add_value(&acc2, w.x, w.y * factors.y, at); }
    if (HEADS > 3u) { let w = admit(&state3, score(&q3, at) * factors.x); add_value(&acc3, w.x, w.y * factors.y, at); }
  }
  finish(lane, state0, &acc0, to);
  if (HEADS > 1u) { finish(lane, state1, &acc1, to + 1u * QUADS); }
  if (HEADS > 2u) { finish(lane, state2, &acc2, to + 2u * QUADS); }
  if (HEADS > 3u) { finish(lane, state3, &acc3, to + 3u * QUADS); }
}
