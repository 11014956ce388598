// Rows for a 3×3 convolution of stride 2 and padding 1 as a matmul: out [chunk · T' · F', 9 · channels] in the order
// (kernel time, kernel frequency, channel), zeros outside. Input element (chunk, t, f, c) lies at
// chunk · chunk_stride + t · t_stride + f · f_stride + c; rows past `valid` (chunk · chunk_t + t) are zero.
struct Shape {
  rows: u32, // chunks · t_out · f_out
  t_in: u32,
  f_in: u32,
  t_out: u32,
  f_out: u32,
  channels: u32,
  chunk_stride: u32,
  t_stride: u32,
  f_stride: u32,
  chunk_t: u32, // time steps from chunk to chunk
  valid: u32, // time steps in all
  out_stride: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x + group.y * 32768u;
  if (row >= shape.rows) {
    return;
  }
  let f_to = row % shape.f_out;
  let t_to = row / shape.f_out % shape.t_out;
  let chunk = row / (shape.f_out * shape.t_out);
  for (var i = lane; i < shape.out_stride; i += WG) {
    let c = i % shape.channels;
    let tap = i / shape.channels;
    let t = i32(2u * t_to + tap / 3u) - 1;
    let f = i32(2u * f_to + tap % 3u) - 1;
    var v = 0.0;
    if (tap < 9u && t >= 0 && t < i32(shape.t_in) && f >= 0 && f < i32(shape.f_in)
      && chunk * shape.chunk_t + u32(t) < shape.valid) {
      v = x[chunk * shape.chunk_stride + u32(t) * shape.t_stride + u32(f) * shape.f_stride + c];
    }
    out[row * shape.out_stride + i] = v;
  }
}
