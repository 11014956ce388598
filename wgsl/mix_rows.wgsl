// out[r] (+)= Σ_j weight[parts[j].y] · x[parts[j].x] over j in starts[r] … starts[r + 1] − 1: means and weighted sums of
// rows, and plain gathers. parts holds (row of x, index of its weight).
struct Shape {
  rows: u32,
  cols: u32, // a row's whole stride is written
  x_stride: u32,
  out_stride: u32,
}
override WG: u32 = 64u;
override ADD: u32 = 0u; // 1: out += …
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> parts: array<vec2u>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let first = starts[row];
  let end = starts[row + 1u];
  for (var i = lane; i < shape.cols; i += WG) {
    var sum = 0.0;
    for (var j = first; j < end; j++) {
      sum += weight[parts[j].y] * x[parts[j].x * shape.x_stride + i];
    }
    if (ADD == 1u) {
      sum += out[row * shape.out_stride + i];
    }
    out[row * shape.out_stride + i] = sum;
  }
}
