// x[r, i] = exp(x[r, i] − top) / Σ, i < cols, in place; element i of row r lies at r · x_stride + i · step.
// One workgroup a row.
struct Shape {
  rows: u32,
  cols: u32,
  x_stride: u32,
  step: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
var<workgroup> parts: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let base = row * shape.x_stride;
  var top = -3.0e38;
  for (var i = lane; i < shape.cols; i += WG) {
    top = max(top, x[base + i * shape.step]);
  }
  parts[lane] = top;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      parts[lane] = max(parts[lane], parts[lane + half]);
    }
    workgroupBarrier();
  }
  top = parts[0];
  workgroupBarrier();
  var sum = 0.0;
  for (var i = lane; i < shape.cols; i += WG) {
    sum += exp(x[base + i * shape.step] - top);
  }
  parts[lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      parts[lane] += parts[lane + half];
    }
    workgroupBarrier();
  }
  let scale = 1.0 / parts[0];
  for (var i = lane; i < shape.cols; i += WG) {
    let at = base + i * shape.step;
    x[at] = exp(x[at] - top) * scale;
  }
}
