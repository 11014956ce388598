// Writes single words of a buffer: entries (place, word). MODE 0 sets the word, 1 adds it as f32 (places are distinct).
struct Shape {
  count: u32,
}
override WG: u32 = 64u;
override MODE: u32 = 0u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> entries: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.count) {
    return;
  }
  let e = entries[id.x];
  if (MODE == 1u) {
    out[e.x] = bitcast<u32>(bitcast<f32>(out[e.x]) + bitcast<f32>(e.y));
  } else {
    out[e.x] = e.y;
  }
}
