// out[r, i] = x[r, i] · rsqrt(mean_j x[r, j]² + eps) · weight[i]; one workgroup a row.
struct Shape {
  rows: u32,
  cols: u32,
  x_stride: u32,
  out_stride: u32,
  eps: f32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = group.x * shape.x_stride;
  var sum = 0.0;
  for (var i = lane; i < shape.cols; i += WG) {
    let v = x[base + i];
    sum += v * v;
  }
  sums[lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
  let scale = inverseSqrt(sums[0] / f32(shape.cols) + shape.eps);
  let to = group.x * shape.out_stride;
  for (var i = lane; i < shape.out_stride; i += WG) {
    if (i < shape.cols) {
      out[to + i] = x[base + i] * scale * weight[i];
    } else {
      out[to + i] = 0.0;
    }
  }
}
