// out[r] = media row, or embedding of ids[r]. Tables as in matmul.wgsl (quads of rows), sharded by rows: one dispatch
// a shard; an id outside [first, first + 4 · quads) is left alone.
// token: bit 31 set = the id drawn last in that slot (drawn[slot]), else the id. media: row + 1 of the media store, or 0.
struct Shape {
  rows: u32,
  first: u32, // first vocabulary row of this shard
  quads: u32, // rows of this shard / 4
  words: u32, // hidden / 8
  out_stride: u32, // elements
  media_stride: u32, // elements
}
override WG: u32 = 32u;
override FORMAT: u32 = 0u; // 0 f32, 1 f16, 2 bf16, 3 int4, 4 int8
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> token: array<u32>;
@group(0) @binding(2) var<storage, read> media: array<u32>;
@group(0) @binding(3) var<storage, read> drawn: array<u32>;
@group(0) @binding(4) var<storage, read> weight: array<vec4u>;
@group(0) @binding(5) var<storage, read> scales: array<vec4u>;
@group(0) @binding(6) var<storage, read> store: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  embed_row(group.x, lane);
}
