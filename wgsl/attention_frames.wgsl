// out[r, h] = softmax_t(q[r, h] · k[t, h] / √dim) · v[t, h] over the `size` rows t of r's own segment (rows size · s … of
// fused qkv [rows, 3 · heads · dim]): few keys, any head width. One workgroup = one row and one head.
struct Shape {
  rows: u32,
  size: u32,
  heads: u32,
  dim: u32,
  qkv_stride: u32,
  out_stride: u32,
  scale: f32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
var<workgroup> parts: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.z * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let dim = shape.dim;
  let width = shape.heads * dim;
  let from_q = row * shape.qkv_stride + group.y * dim;
  let segment = row / shape.size * shape.size;
  let to = row * shape.out_stride + group.y * dim;
  var top = -3.0e38;
  var norm = 0.0;
  for (var t = 0u; t < shape.size; t++) {
    let from_k = (segment + t) * shape.qkv_stride + group.y * dim + width;
    var sum = 0.0;
    for (var i = lane; i < dim; i += WG) {
      sum += qkv[from_q + i] * qkv[from_k + i];
    }
    workgroupBarrier();
    parts[lane] = sum;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
      if (lane < half) {
        parts[lane] += parts[lane + half];
      }
      workgroupBarrier();
    }
    let score = parts[0] * shape.scale;
    let next = max(top, score);
    let shrink = exp(top - next);
    let weight = exp(score - next);
    norm = norm * shrink + weight;
    top = next;
    for (var i = lane; i < dim; i += WG) { // each lane has its own columns of out
      var kept = 0.0;
      if (t > 0u) {
        kept = out[to + i] * shrink;
      }
      out[to + i] = kept + weight * qkv[from_k + width + i];
    }
  }
  for (var i = lane; i < dim; i += WG) {
    out[to + i] = out[to + i] / norm;
  }
}
