// One decoded token a row, from raw fused qkv to attention in one dispatch: per-head RMSNorm and rotary of q and k (as
// qkv_rope.wgsl), the new key and value into the cache, softmax(q · k · scale) · v over the row's keys, its own included.
// One workgroup = one row, one kv head with its GROUP query heads (keys are read once for all), one split of the context.
// With one split out [rows, heads · dim] is the result; with more, out [rows, splits, heads, dim + 8] takes the split's
// unnormalised sum, then its largest score and its sum of weights, for attention_merge.wgsl.
struct Shape {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32, // a multiple of 8, at most 4 · WG
  stride: u32, // elements of a qkv row
  out_stride: u32, // elements of an out row
  block: u32, // tokens of a cache block
  splits: u32,
  split_keys: u32, // keys of a split, a multiple of WG
  eps: f32,
  scale: f32,
}
override WG: u32 = 64u;
override GROUP: u32 = 4u; // heads / kv_heads, at most 8
override NORM: u32 = 1u; // 1: per-head q_norm, k_norm
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> angles: array<vec2f>; // (cos, sin) [rows, dim / 2]
@group(0) @binding(3) var<storage, read> norms: array<f32>; // q_norm, then k_norm
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read> tables: array<u32>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<vec4u>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<vec4u>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;
var<workgroup> query: array<f32, 1024>; // GROUP · dim
var<workgroup> fresh: array<f32, 256>; // a head being turned
var<workgroup> scores: array<f32, GROUP * WG>;
var<workgroup> reduced: array<f32, GROUP * WG>;
var<workgroup> places: array<u32, WG>;

// Of all lanes' values the sum, or the largest.
fn of_all(lane: u32, value: f32, largest: bool) -> f32 {
  workgroupBarrier();
  reduced[lane] = value;
  workgroupBarrier();
  var all = reduced[0];
  for (var i = 1u; i < WG; i++) {
    all = select(all + reduced[i], max(all, reduced[i]), largest);
  }
  return all;
}

// Head at `base` of the row, normed with norms[weight …] and turned, into fresh.
fn turn(lane: u32, row: u32, base: u32, weight: u32) {
  var squares = 0.0;
  for (var i = lane; i < shape.dim; i += WG) {
    squares += qkv[base + i] * qkv[base + i];
  }
  let mean = of_all(lane, squares, false) / f32(shape.dim);
  let scale = select(1.0, inverseSqrt(mean + shape.eps), NORM == 1u);
  let half_dim = shape.dim / 2u;
  workgroupBarrier();
  for (var i = lane; i < half_dim; i += WG) {
    var a = qkv[base + i] * scale;
    var b = qkv[base + i + half_dim] * scale;
    if (NORM == 1u) {
      a *= norms[weight + i];
      b *= norms[weight + i + half_dim];
    }
    let t = angles[row * half_dim + i];
    fresh[i] = a * t.x - b * t.y;
    fresh[i + half_dim] = b * t.x + a * t.y;
  }
  workgroupBarrier();
}

fn fresh4(i: u32) -> vec4f {
  return vec4f(fresh[i], fresh[i + 1u], fresh[i + 2u], fresh[i + 3u]);
}

fn query4(i: u32) -> vec4f {
  return vec4f(query[i], query[i + 1u], query[i + 2u], query[i + 3u]);
}

// Word i of fresh as the cache has it; `factor` is the largest of its values (int8).
fn stored(i: u32, words: u32, factor: f32) -> vec4u {
  if (KV == 0u) {
    return bitcast<vec4u>(fresh4(4u * i));
  }
  if (KV == 1u) {
    let a = fresh4(8u * i);
    let b = fresh4(8u * i + 4u);
    return vec4u(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
  }
  if (i == words - 1u) {
    return vec4u(bitcast<u32>(factor), 0u, 0u, 0u);
  }
  let at = 16u * i;
  return vec4u(pack4x8snorm(fresh4(at) / factor), pack4x8snorm(fresh4(at + 4u) / factor),
    pack4x8snorm(fresh4(at + 8u) / factor), pack4x8snorm(fresh4(at + 12u) / factor));
}

fn factor_of(lane: u32) -> f32 {
  if (KV != 2u) { return 1.0; }
  var most = 1.0e-30;
  for (var i = lane; i < shape.dim; i += WG) {
    most = max(most, abs(fresh[i]));
  }
  return of_all(lane, most, true);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let kv_head = group.y;
  let dim = shape.dim;
  let base = row * shape.stride;
  let mine = place[row];
  let start = group.z * shape.split_keys;
  let end = min(mine.y, start + shape.split_keys);
  let words = select(select(dim / 4u, dim / 8u, KV == 1u), dim / 16u + 1u, KV == 2u); // vec4u of one head
  if (start < mine.y && end == mine.y) { // this split has the new token
    let to = (mine.z * shape.kv_heads + kv_head) * words;
    turn(lane, row, base + (shape.heads + kv_head) * dim, dim);
    var factor = factor_of(lane);
    for (var i = lane; i < words; i += WG) {
      k_cache[to + i] = stored(i, words, factor);
    }
    workgroupBarrier();
    for (var i = lane; i < dim; i += WG) {
      fresh[i] = qkv[base + (shape.heads + shape.kv_heads + kv_head) * dim + i];
    }
    workgroupBarrier();
    factor = factor_of(lane);
    for (var i = lane; i < words; i += WG) {
      v_cache[to + i] = stored(i, words, factor);
    }
    storageBarrier();
  }
  for (var g = 0u; g < GROUP; g++) {
    turn(lane, row, base + (kv_head * GROUP + g) * dim, 0u);
    for (var i = lane; i < dim; i += WG) {
      query[g * dim + i] = fresh[i] * shape.scale;
    }
  }
  let lowest = -3.0e38;
  var top = array<f32, 8>(lowest, lowest, lowest, lowest, lowest, lowest, lowest, lowest);
  var norm = array<f32, 8>();
  var acc = array<vec2f, 16>(); // pairs lane and lane + WG of each head
  workgroupBarrier();
  for (var tile = start; tile < end; tile += WG) {
    let t = tile + lane;
    let count = min(WG, end - tile);
    var s = array<f32, 8>();
    if (t < end) {
      let p = tables[mine.x + t / shape.block] * shape.block + t % shape.block;
      let at = (p * shape.kv_heads + kv_head) * words;
      places[lane] = at;
      if (KV == 2u) {
        let factor = bitcast<f32>(k_cache[at + words - 1u].x);
        for (var i = 0u; i < words - 1u; i++) {
          let k = k_cache[at + i];
          for (var j = 0u; j < 4u; j++) {
            let four = unpack4x8snorm(k[j]);
            for (var g = 0u; g < GROUP; g++) {
              s[g] += factor * dot(four, query4(g * dim + 16u * i + 4u * j));
            }
          }
        }
      } else {
        for (var i = 0u; i < words; i++) {
          let k = k_cache[at + i];
          let k0 = vec4f(unpack2x16float(k.x), unpack2x16float(k.y));
          let k1 = vec4f(unpack2x16float(k.z), unpack2x16float(k.w));
          for (var g = 0u; g < GROUP; g++) {
            if (KV == 1u) {
              s[g] += dot(k0, query4(g * dim + 8u * i)) + dot(k1, query4(g * dim + 8u * i + 4u));
            } else {
              s[g] += dot(bitcast<vec4f>(k), query4(g * dim + 4u * i));
            }
          }
        }
      }
    }
    for (var g = 0u; g < GROUP; g++) {
      reduced[g * WG + lane] = select(-3.0e38, s[g], t < end);
    }
    workgroupBarrier();
    for (var h = WG / 2u; h > 0u; h /= 2u) {
      if (lane < h) {
        for (var g = 0u; g < GROUP; g++) {
          reduced[g * WG + lane] = max(reduced[g * WG + lane], reduced[g * WG + lane + h]);
        }
      }
      workgroupBarrier();
    }
    var shrink = array<f32, 8>();
    for (var g = 0u; g < GROUP; g++) {
      let next = max(top[g], reduced[g * WG]);
      shrink[g] = exp(top[g] - next);
      top[g] = next;
      scores[g * WG + lane] = select(0.0, exp(s[g] - next), t < end);
    }
    workgroupBarrier();
    for (var g = 0u; g < GROUP; g++) {
      norm[g] *= shrink[g];
      for (var j = 0u; j < count; j++) {
        norm[g] += scores[g * WG + j];
      }
    }
    for (var slot = 0u; slot * WG + lane < dim / 2u; slot++) {
      let pair = slot * WG + lane;
      var sum = array<vec2f, 8>();
      for (var j = 0u; j < count; j++) {
        var v: vec2f;
        if (KV == 2u) {
          let four = unpack4x8snorm(v_cache[places[j] + pair / 8u][pair / 2u % 4u]);
          v = select(four.xy, four.zw, pair % 2u == 1u) * bitcast<f32>(v_cache[places[j] + words - 1u].x);
        } else if (KV == 1u) {
          v = unpack2x16float(v_cache[places[j] + pair / 4u][pair % 4u]);
        } else {
          let w = v_cache[places[j] + pair / 2u];
          v = bitcast<vec2f>(select(w.xy, w.zw, pair % 2u == 1u));
        }
        for (var g = 0u; g < GROUP; g++) {
          sum[g] += scores[g * WG + j] * v;
        }
      }
      for (var g = 0u; g < GROUP; g++) {
        acc[slot * 8u + g] = acc[slot * 8u + g] * shrink[g] + sum[g];
      }
    }
    workgroupBarrier();
  }
  for (var g = 0u; g < GROUP; g++) {
    let head = kv_head * GROUP + g;
    var to = row * shape.out_stride + head * dim;
    var by = 1.0 / norm[g];
    if (shape.splits > 1u) {
      to = row * shape.out_stride + (group.z * shape.heads + head) * (dim + 8u);
      by = 1.0;
      if (lane == 0u) {
        out[to + dim] = top[g];
        out[to + dim + 1u] = select(norm[g], 0.0, end <= start);
      }
    }
    for (var slot = 0u; slot * WG + lane < dim / 2u; slot++) {
      let pair = slot * WG + lane;
      out[to + 2u * pair] = acc[slot * 8u + g].x * by;
      out[to + 2u * pair + 1u] = acc[slot * 8u + g].y * by;
    }
  }
}
