// counts[slot, id] += 1 for the id that each row has just drawn (rows have distinct slots).
struct Shape {
  rows: u32,
  vocab: u32,
  result_stride: u32,
}
override WG: u32 = 32u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> results: array<u32>; // the id first
@group(0) @binding(2) var<storage, read> slots: array<u32>; // 0xffffffff: not counted
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= shape.rows || slots[row] == 0xffffffffu) {
    return;
  }
  counts[slots[row] * shape.vocab + results[row * shape.result_stride]] += 1u;
}
