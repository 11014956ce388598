// Per row and head of fused qkv [rows, (heads + 2 · kv_heads) · dim]: RMSNorm of q and k over the head (where the trunk
// has it), rotary on q and k, q written back in place, k and v into the cache at place[row].
// Rotary: halves rotate, (x[i], x[i + dim/2]); angles [rows, dim/2] holds (cos, sin) as two f32, made on the host
// (in-shader sin and cos are too coarse).
struct Shape {
  rows: u32,
  heads: u32,
  kv_heads: u32,
  dim: u32,
  stride: u32, // elements of a qkv row
  eps: f32,
}
override WG: u32 = 32u;
override NORM: u32 = 1u; // 1: per-head q_norm, k_norm
override ROPE: u32 = 1u; // 0: no rotary (audio)
override KV: u32 = 0u; // cache in 0 f32, 1 f16 pairs, 2 int8: dim / 4 words of snorm bytes, then 4 words: their factor, 0, 0, 0
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> angles: array<vec2f>;
@group(0) @binding(2) var<storage, read> q_norm: array<f32>;
@group(0) @binding(3) var<storage, read> k_norm: array<f32>;
@group(0) @binding(4) var<storage, read> place: array<vec4u>; // (first table entry, keys, own place, 0) of a row
@group(0) @binding(5) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(6) var<storage, read_write> k_cache: array<u32>;
@group(0) @binding(7) var<storage, read_write> v_cache: array<u32>;
var<workgroup> sums: array<f32, WG>;
var<workgroup> row_of: array<f32, 512>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.z * 32768u;
  let head = group.y;
  if (row >= shape.rows) {
    return;
  }
  let dim = shape.dim;
  let half_dim = dim / 2u;
  let at = row * shape.stride + head * dim;
  let is_q = head < shape.heads;
  let is_k = !is_q && head < shape.heads + shape.kv_heads;
  var scale = 1.0;
  if (NORM == 1u) {
    var sum = 0.0;
    for (var i = lane; i < dim; i += WG) {
      let v = qkv[at + i];
      sum += v * v;
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var h = WG / 2u; h > 0u; h /= 2u) {
      if (lane < h) {
        sums[lane] += sums[lane + h];
      }
      workgroupBarrier();
    }
    scale = inverseSqrt(sums[0] / f32(dim) + shape.eps);
  }
  for (var i = lane; i < half_dim; i += WG) {
    var a = qkv[at + i];
    var b = qkv[at + i + half_dim];
    if (is_q || is_k) {
      if (NORM == 1u) {
        if (is_q) {
          a *= scale * q_norm[i];
          b *= scale * q_norm[i + half_dim];
        } else {
          a *= scale * k_norm[i];
          b *= scale * k_norm[i + half_dim];
        }
      }
      if (ROPE == 1u) {
        let turn = angles[row * half_dim + i];
        let rotated = a * turn.x - b * turn.y;
        b = b * turn.x + a * turn.y;
        a = rotated;
      }
    }
    if (is_q) {
      qkv[at + i] = a;
      qkv[at + i + half_dim] = b;
    }
    row_of[i] = a;
    row_of[i + half_dim] = b;
  }
  if (is_q) {
    return;
  }
  workgroupBarrier();
  let kv_head = select(head - shape.heads - shape.kv_heads, head - shape.heads, is_k);
  let slot = place[row].z * shape.kv_heads + kv_head;
  let to = slot * dim;
  if (KV == 2u) {
    var most = 0.0;
    for (var i = lane; i < dim; i += WG) {
      most = max(most, abs(row_of[i]));
    }
    sums[lane] = most;
    workgroupBarrier();
    for (var h = WG / 2u; h > 0u; h /= 2u) {
      if (lane < h) {
        sums[lane] = max(sums[lane], sums[lane + h]);
      }
      workgroupBarrier();
    }
    let factor = max(sums[0], 1.0e-30);
    let words = dim / 4u;
    for (var i = lane; i <= words; i += WG) {
      var bits = bitcast<u32>(factor);
      if (i < words) {
        bits = pack4x8snorm(vec4f(row_of[4u * i], row_of[4u * i + 1u], row_of[4u * i + 2u], row_of[4u * i + 3u]) / factor);
      }
      if (is_k) {
        k_cache[slot * (words + 4u) + i] = bits;
      } else {
        v_cache[slot * (words + 4u) + i] = bits;
      }
    }
    return;
  }
  if (KV == 1u) {
    for (var i = lane; i < half_dim; i += WG) {
      let pair = pack2x16float(vec2f(row_of[2u * i], row_of[2u * i + 1u]));
      if (is_k) {
        k_cache[to / 2u + i] = pair;
      } else {
        v_cache[to / 2u + i] = pair;
      }
    }
  } else {
    for (var i = lane; i < dim; i += WG) {
      let bits = bitcast<u32>(row_of[i]);
      if (is_k) {
        k_cache[to + i] = bits;
      } else {
        v_cache[to + i] = bits;
      }
    }
  }
}
