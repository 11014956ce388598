// x[r] += Σ_{j<4} mix[r][j] · table[corner[r][j]]: the vision tower's learned positions, interpolated bilinearly
// (corners and weights from the host).
struct Shape {
  rows: u32,
  cols: u32,
  x_stride: u32,
  table_stride: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> corner: array<vec4u>;
@group(0) @binding(2) var<storage, read> mix4: array<vec4f>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let c = corner[row] * shape.table_stride;
  let m = mix4[row];
  for (var i = lane; i < shape.cols; i += WG) {
    x[row * shape.x_stride + i] += m.x * table[c.x + i] + m.y * table[c.y + i] + m.z * table[c.z + i] + m.w * table[c.w + i];
  }
}
