// Joins the splits of attention_decode.wgsl: out[r, h] = Σ_s part_s · e^(top_s − top) / Σ_s norm_s · e^(top_s − top).
struct Shape {
  rows: u32,
  heads: u32,
  dim: u32,
  splits: u32,
  part_stride: u32, // elements of a row of part [rows, splits, heads, dim + 8]
  out_stride: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> part: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let head = group.y;
  let width = shape.dim + 8u;
  let base = row * shape.part_stride + head * width;
  let step = shape.heads * width;
  var top = -3.0e38;
  for (var s = 0u; s < shape.splits; s++) {
    top = max(top, part[base + s * step + shape.dim]);
  }
  var norm = 0.0;
  for (var s = 0u; s < shape.splits; s++) {
    norm += part[base + s * step + shape.dim + 1u] * exp(part[base + s * step + shape.dim] - top);
  }
  for (var i = lane; i < shape.dim; i += WG) {
    var sum = 0.0;
    for (var s = 0u; s < shape.splits; s++) {
      sum += part[base + s * step + i] * exp(part[base + s * step + shape.dim] - top);
    }
    out[row * shape.out_stride + head * shape.dim + i] = sum / norm;
  }
}
