// Reads texels (16 bytes): each thread its own run of `per`.
struct Shape {
  threads: u32,
  per: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var x: texture_2d<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.threads) {
    return;
  }
  var sum = vec4u();
  for (var i = 0u; i < shape.per; i++) {
    let at = id.x * shape.per + i;
    sum = (sum ^ textureLoad(x, vec2u(at & 8191u, at >> 13u), 0)) + vec4u(i);
  }
  out[id.x] = sum;
}
