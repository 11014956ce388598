// RMSNorm's factors of the rows of a tile of matmul_texture.wgsl.
// row_scale of the tile's rows; each lane has its share of k.
fn scale_rows(row: u32, lane: u32) {
  var s0 = 0.0; var s1 = 0.0; var s2 = 0.0; var s3 = 0.0; var s4 = 0.0; var s5 = 0.0; var s6 = 0.0; var s7 = 0.0;
  for (var k = lane; k < 2u * shape.words; k += WG) {
    let v0 = x0[start(0u, row) + k]; s0 += dot(v0, v0);
    let v1 = x1[start(1u, row) + k]; s1 += dot(v1, v1);
    let v2 = x2[start(2u, row) + k]; s2 += dot(v2, v2);
    let v3 = x3[start(3u, row) + k]; s3 += dot(v3, v3);
    if (ROWS > 4u) {
      let v4 = x4[start(4u, row) + k]; s4 += dot(v4, v4);
      let v5 = x5[start(5u, row) + k]; s5 += dot(v5, v5);
      let v6 = x6[start(6u, row) + k]; s6 += dot(v6, v6);
      let v7 = x7[start(7u, row) + k]; s7 += dot(v7, v7);
    }
  }
  squares[0u * WG + lane] = s0;
  squares[1u * WG + lane] = s1;
  squares[2u * WG + lane] = s2;
  squares[3u * WG + lane] = s3;
  squares[4u * WG + lane] = s4;
  squares[5u * WG + lane] = s5;
  squares[6u * WG + lane] = s6;
  squares[7u * WG + lane] = s7;
  workgroupBarrier();
  for (var i = lane; i < ROWS; i += WG) {
    var sum = 0.0;
    for (var j = 0u; j < WG; j++) {
      sum += squares[i * WG + j];
    }
    row_scale[i] = inverseSqrt(sum / f32(shape.cols) + shape.eps);
  }
  workgroupBarrier();
}
