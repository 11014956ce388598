// Rotary in place on q and k of fused qkv rows [rows, 3 · heads · dim] (vision): (x[i], x[i + dim/2]) turned by
// angles [rows, dim/2] = (cos, sin), made on the host. One thread a row, head and pair.
struct Shape {
  rows: u32,
  heads: u32,
  dim: u32,
  stride: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> angles: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> qkv: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let half_dim = shape.dim / 2u;
  let pairs = 2u * shape.heads * half_dim; // q heads, then k heads, side by side
  let row = id.y + id.z * 32768u;
  if (id.x >= pairs || row >= shape.rows) {
    return;
  }
  let head = id.x / half_dim;
  let i = id.x % half_dim;
  let at = row * shape.stride + head * shape.dim + i;
  let turn = angles[row * half_dim + i];
  let a = qkv[at];
  let b = qkv[at + half_dim];
  qkv[at] = a * turn.x - b * turn.y;
  qkv[at + half_dim] = b * turn.x + a * turn.y;
}
