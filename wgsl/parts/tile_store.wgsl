// Where the sums of a tile of matmul_texture.wgsl go: ACT, ADD and GLU, the rows' RMSNorm and the bias behind it.
fn store_pair(at: u32, slot: u32, quad: u32, sum_a: vec4f, sum_b: vec4f) {
  var a = sum_a;
  var b = sum_b;
  if (NORM == 1u) {
    a = a * row_scale[slot] + bias[quad];
    b = b * row_scale[slot] + bias[quad + 1u];
  }
  if (GLU == 1u) {
    out[at + quad / 2u] = a / (1.0 + exp(-a)) * b;
  } else if (ADD == 1u) {
    out[at + quad] += activate(a);
    out[at + quad + 1u] += activate(b);
  } else {
    out[at + quad] = activate(a);
    out[at + quad + 1u] = activate(b);
  }
}

fn store(row: u32, slot: u32, quad: u32, a: vec4f, b: vec4f, c: vec4f, d: vec4f) {
  let m = slot * shape.per + row;
  if (m >= shape.rows) {
    return;
  }
  let at = (shape.out_first + m) * shape.out_stride;
  store_pair(at, slot, quad, a, b);
  if (QUADS > 2u && quad + 2u < shape.quads) {
    store_pair(at, slot, quad + 2u, c, d);
  }
}
