// out[r, h] = softmax_t(q[r, h] · k[t] · scale) · v over the keys of row r, which lie in blocks (text: the paged cache,
// up to the row itself; pictures and sounds: their whole segment, blocks of one). Flash style: keys in tiles of WG from
// the first on, so that a row's arithmetic does not depend on where its chunk began.
// One workgroup = one row and one query head; kv head = head / (heads / kv_heads).
struct Shape {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32,
  q_stride: u32,
  out_stride: u32,
  block: u32, // tokens of a cache block
  scale: f32,
}
override WG: u32 = 32u;
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k_cache: array<u32>;
@group(0) @binding(3) var<storage, read> v_cache: array<u32>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read> tables: array<u32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
var<workgroup> query: array<f32, 512>;
var<workgroup> weights: array<f32, WG>;
var<workgroup> reduced: array<f32, WG>;
var<workgroup> places: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.z * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let head = group.y;
  let dim = shape.dim;
  let kv_head = head / (shape.heads / shape.kv_heads);
  let width = shape.kv_heads * dim;
  for (var i = lane; i < dim; i += WG) {
    query[i] = q[row * shape.q_stride + head * dim + i] * shape.scale;
  }
  let first = place[row].x;
  let length = place[row].y;
  var acc: array<f32, 16>; // dims lane, lane + WG, …
  var top = -3.0e38;
  var norm = 0.0;
  workgroupBarrier();
  for (var start = 0u; start < length; start += WG) {
    let t = start + lane;
    var score = -3.0e38;
    if (t < length) {
      let place = tables[first + t / shape.block] * shape.block + t % shape.block;
      places[lane] = place;
      let at = place * width + kv_head * dim;
      var sum = 0.0;
      if (KV == 2u) {
        let from_k = (place * shape.kv_heads + kv_head) * (dim / 4u + 4u);
        for (var i = 0u; i < dim / 4u; i++) {
          let four = unpack4x8snorm(k_cache[from_k + i]);
          sum += query[4u * i] * four.x + query[4u * i + 1u] * four.y + query[4u * i + 2u] * four.z
            + query[4u * i + 3u] * four.w;
        }
        sum *= bitcast<f32>(k_cache[from_k + dim / 4u]);
      } else if (KV == 1u) {
        for (var i = 0u; i < dim; i += 2u) {
          let pair = unpack2x16float(k_cache[(at + i) / 2u]);
          sum += query[i] * pair.x + query[i + 1u] * pair.y;
        }
      } else {
        for (var i = 0u; i < dim; i++) {
          sum += query[i] * bitcast<f32>(k_cache[at + i]);
        }
      }
      score = sum;
    }
    reduced[lane] = score;
    workgroupBarrier();
    for (var h = WG / 2u; h > 0u; h /= 2u) {
      if (lane < h) {
        reduced[lane] = max(reduced[lane], reduced[lane + h]);
      }
      workgroupBarrier();
    }
    let next = max(top, reduced[0]);
    let shrink = exp(top - next);
    top = next;
    let e = select(0.0, exp(score - next), t < length);
    weights[lane] = e;
    workgroupBarrier();
    norm *= shrink;
    let count = min(WG, length - start);
    for (var j = 0u; j < count; j++) {
      norm += weights[j];
    }
    var slot = 0u;
    for (var i = lane; i < dim; i += WG) {
      var sum = acc[slot] * shrink;
      let column = kv_head * dim + i;
      for (var j = 0u; j < count; j++) {
        let at = places[j] * width + column;
        if (KV == 2u) {
          let from_v = (places[j] * shape.kv_heads + kv_head) * (dim / 4u + 4u);
          let factor = bitcast<f32>(v_cache[from_v + dim / 4u]);
          sum += weights[j] * factor * unpack4x8snorm(v_cache[from_v + i / 4u])[i % 4u];
        } else if (KV == 1u) {
          sum += weights[j] * unpack2x16float(v_cache[at / 2u])[at % 2u];
        } else {
          sum += weights[j] * bitcast<f32>(v_cache[at]);
        }
      }
      acc[slot] = sum;
      slot++;
    }
    workgroupBarrier();
  }
  var slot = 0u;
  for (var i = lane; i < dim; i += WG) {
    out[row * shape.out_stride + head * dim + i] = acc[slot] / norm;
    slot++;
  }
}
