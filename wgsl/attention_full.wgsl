// out[r, h] = softmax_t(q[r, h] · k[t, h] · scale) · v[t, h] over t of the row's own segment (a frame, a picture, a whole
// sound), no mask; q, k, v lie side by side in qkv [rows, 3 · heads · dim]. One workgroup = one row and one head.
struct Shape {
  rows: u32,
  heads: u32,
  dim: u32,
  stride: u32, // elements of a qkv row
  out_stride: u32,
  scale: f32,
}
override WG: u32 = 32u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;
@group(0) @binding(2) var<storage, read> segment: array<vec2u>; // first row and end of each row's segment
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
var<workgroup> query: array<f32, 512>;
var<workgroup> weights: array<f32, WG>;
var<workgroup> reduced: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.z * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let head = group.y;
  let dim = shape.dim;
  let width = shape.heads * dim;
  for (var i = lane; i < dim; i += WG) {
    query[i] = qkv[row * shape.stride + head * dim + i] * shape.scale;
  }
  let first = segment[row].x;
  let end = segment[row].y;
  var acc: array<f32, 16>; // dims lane, lane + WG, …
  var top = -3.0e38;
  var norm = 0.0;
  workgroupBarrier();
  for (var start = first; start < end; start += WG) {
    let t = start + lane;
    var score = -3.0e38;
    if (t < end) {
      let at = t * shape.stride + width + head * dim;
      var sum = 0.0;
      for (var i = 0u; i < dim; i++) {
        sum += query[i] * qkv[at + i];
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
    weights[lane] = select(0.0, exp(score - next), t < end);
    workgroupBarrier();
    norm *= shrink;
    let count = min(WG, end - start);
    for (var j = 0u; j < count; j++) {
      norm += weights[j];
    }
    var slot = 0u;
    for (var i = lane; i < dim; i += WG) {
      var sum = acc[slot] * shrink;
      for (var j = 0u; j < count; j++) {
        sum += weights[j] * qkv[(start + j) * shape.stride + 2u * width + head * dim + i];
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
