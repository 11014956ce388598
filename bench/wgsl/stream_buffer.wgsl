// Reads vec4u words of a storage buffer: each thread its own run of `per` words (STRIDED 0), or neighbours side by side.
struct Shape {
  threads: u32,
  per: u32,
}
override WG: u32 = 64u;
override STRIDED: u32 = 0u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= shape.threads) {
    return;
  }
  var sum = vec4u();
  for (var i = 0u; i < shape.per; i++) {
    let at = select(id.x * shape.per + i, i * shape.threads + id.x, STRIDED == 1u);
    sum = (sum ^ x[at]) + vec4u(i);
  }
  out[id.x] = sum;
}
