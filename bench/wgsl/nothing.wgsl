// One thread, one word: what a dispatch costs by itself.
struct Shape {
  value: u32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(1)
fn main() {
  out[0] += shape.value;
}
