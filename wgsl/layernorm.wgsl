// out[r, i] = (x[r, i] − mean) · rsqrt(var + eps) · weight[i] + bias[i]; one workgroup a row, variance about the mean.
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
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
var<workgroup> sums: array<f32, WG>;

fn total(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  sums[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      sums[lane] += sums[lane + half];
    }
    workgroupBarrier();
  }
  return sums[0];
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = group.x * shape.x_stride;
  var sum = 0.0;
  for (var i = lane; i < shape.cols; i += WG) {
    sum += x[base + i];
  }
  let mean = total(lane, sum) / f32(shape.cols);
  var square = 0.0;
  for (var i = lane; i < shape.cols; i += WG) {
    let d = x[base + i] - mean;
    square += d * d;
  }
  let scale = inverseSqrt(total(lane, square) / f32(shape.cols) + shape.eps);
  let to = group.x * shape.out_stride;
  for (var i = lane; i < shape.out_stride; i += WG) {
    if (i < shape.cols) {
      out[to + i] = (x[base + i] - mean) * scale * weight[i] + bias[i];
    } else {
      out[to + i] = 0.0;
    }
  }
}
