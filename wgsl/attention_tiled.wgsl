// As attention_paged.wgsl, with keys and values brought to workgroup memory once for 16 rows (cards, long prompts,
// pictures). One workgroup = up to 16 neighbouring rows of one sequence or segment and one query head; 4 threads a row,
// each with every fourth dimension. Keys in tiles of 16 from the first on: a row's arithmetic does not depend on its
// neighbours or on where its chunk began.
struct Shape {
  tiles: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32, // a multiple of 4, at most 128
  q_stride: u32,
  out_stride: u32,
  block: u32, // tokens of a cache block
  scale: f32,
}
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k_cache: array<u32>;
@group(0) @binding(3) var<storage, read> v_cache: array<u32>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read> tables: array<u32>;
@group(0) @binding(6) var<storage, read> tiles: array<vec2u>; // (first row, rows)
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
var<workgroup> held: array<f32, 2048>; // [16 keys, dim] of keys, then of values
var<workgroup> partial: array<f32, 1024>; // [16 rows, 16 keys, 4 threads]
var<workgroup> weights: array<f32, 256>; // [16 rows, 16 keys]

fn bring(lane: u32, start: u32, most: u32, first: u32, kv_head: u32, values: bool) {
  for (var i = lane; i < 16u * shape.dim; i += 64u) {
    let t = start + i / shape.dim;
    var v = 0.0;
    if (t < most) {
      let p = tables[first + t / shape.block] * shape.block + t % shape.block;
      let at = (p * shape.kv_heads + kv_head) * shape.dim + i % shape.dim;
      if (KV == 2u) {
        let c = i % shape.dim;
        let from_head = (p * shape.kv_heads + kv_head) * (shape.dim / 4u + 4u);
        let byte_at = from_head + c / 4u;
        let factor_at = from_head + shape.dim / 4u;
        v = unpack4x8snorm(select(k_cache[byte_at], v_cache[byte_at], values))[c % 4u]
          * bitcast<f32>(select(k_cache[factor_at], v_cache[factor_at], values));
      } else if (KV == 1u) {
        v = unpack2x16float(select(k_cache[at / 2u], v_cache[at / 2u], values))[at % 2u];
      } else {
        v = bitcast<f32>(select(k_cache[at], v_cache[at], values));
      }
    }
    held[i] = v;
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let mine = group.x + group.z * 32768u;
  if (mine >= shape.tiles) {
    return;
  }
  let tile = tiles[mine];
  let head = group.y;
  let kv_head = head / (shape.heads / shape.kv_heads);
  let r = lane / 4u;
  let part = lane % 4u;
  let row = tile.x + min(r, tile.y - 1u);
  let each = shape.dim / 4u;
  var query = array<f32, 32>();
  var acc = array<f32, 32>();
  for (var j = 0u; j < each; j++) {
    query[j] = q[row * shape.q_stride + head * shape.dim + part + 4u * j] * shape.scale;
  }
  let first = place[tile.x].x;
  let keys = place[row].y;
  let most = place[tile.x + tile.y - 1u].y; // rows of a tile see no fewer keys than those before them
  var top = -3.0e38;
  var norm = 0.0;
  for (var start = 0u; start < most; start += 16u) {
    bring(lane, start, most, first, kv_head, false);
    workgroupBarrier();
    for (var t = 0u; t < 16u; t++) {
      var sum = 0.0;
      for (var j = 0u; j < each; j++) {
        sum += query[j] * held[t * shape.dim + part + 4u * j];
      }
      partial[(r * 16u + t) * 4u + part] = sum;
    }
    workgroupBarrier();
    for (var t = part * 4u; t < part * 4u + 4u; t++) {
      let at = (r * 16u + t) * 4u;
      let score = (partial[at] + partial[at + 1u]) + (partial[at + 2u] + partial[at + 3u]);
      weights[r * 16u + t] = select(-3.0e38, score, start + t < keys);
    }
    bring(lane, start, most, first, kv_head, true);
    workgroupBarrier();
    var next = top;
    for (var t = 0u; t < 16u; t++) {
      next = max(next, weights[r * 16u + t]);
    }
    let shrink = exp(top - next);
    top = next;
    norm *= shrink;
    for (var j = 0u; j < each; j++) {
      acc[j] *= shrink;
    }
    for (var t = 0u; t < 16u; t++) {
      let e = select(0.0, exp(weights[r * 16u + t] - next), start + t < keys);
      norm += e;
      for (var j = 0u; j < each; j++) {
        acc[j] += e * held[t * shape.dim + part + 4u * j];
      }
    }
    workgroupBarrier();
  }
  if (r < tile.y) {
    for (var j = 0u; j < each; j++) {
      out[row * shape.out_stride + head * shape.dim + part + 4u * j] = acc[j] / norm;
    }
  }
}
