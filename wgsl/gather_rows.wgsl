// out[r] (+)= x[index[r]] (+ table[other[r]]). index 0xffffffff leaves the row alone.
struct Shape {
  rows: u32,
  cols: u32, // a row's whole stride is copied
  x_stride: u32,
  out_stride: u32,
  table_stride: u32,
}
override WG: u32 = 64u;
override ADD: u32 = 0u; // 1: out += …
override TABLE: u32 = 0u; // 1: … + table[other[r]]
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read> other: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let base = index[row];
  if (base == 0xffffffffu) {
    return;
  }
  for (var i = lane; i < shape.cols; i += WG) {
    var v = x[base * shape.x_stride + i];
    if (TABLE == 1u) {
      v += table[other[row] * shape.table_stride + i];
    }
    if (ADD == 1u) {
      v += out[row * shape.out_stride + i];
    }
    out[row * shape.out_stride + i] = v;
  }
}
