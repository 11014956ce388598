// Where the sums of a tile of matmul_texture.wgsl go: activation, residual and SwiGLU, the rows' RMSNorm and the bias
// behind it. One loop over the tile's sums, its cases numbers of the shape: drivers compile a copy for each place and each
// override, for seconds at every start (bench/SPEED.md, 1 December).
fn store_pair(at: u32, slot: u32, quad: u32, sum_a: vec4f, sum_b: vec4f) {
  var a = sum_a;
  var b = sum_b;
  if (NORM == 1u) {
    a = a * row_scale[slot] + bias[quad];
    b = b * row_scale[slot] + bias[quad + 1u];
  }
  if (shape.glu == 1u) {
    out[at + quad / 2u] = a / (1.0 + exp(-a)) * b;
    return;
  }
  a = activate(shape.act, a);
  b = activate(shape.act, b);
  if (shape.add == 1u) {
    a += out[at + quad];
    b += out[at + quad + 1u];
  }
  out[at + quad] = a;
  out[at + quad + 1u] = b;
}

// sums: 4 quads of each of 8 rows
fn store(row: u32, quad: u32, sums: ptr<function, array<vec4f, 32>>) {
  for (var slot = 0u; slot < ROWS; slot++) {
    let m = slot * shape.per + row;
    if (m >= shape.rows) {
      return;
    }
    let at = (shape.out_first + m) * shape.out_stride;
    for (var i = 0u; i < QUADS && quad + i < shape.quads; i += 2u) {
      store_pair(at, slot, quad + i, (*sums)[4u * slot + i], (*sums)[4u * slot + i + 1u]);
    }
  }
}
