// Row r of an embedding, from wherever word_at and scales_at read the table.
fn value(row: u32, k: u32) -> f32 {
  let quad = row / 4u;
  let lane = row % 4u;
  switch FORMAT {
    case 0u: {
      return bitcast<f32>(word_at(quad, k, shape.words * 8u)[lane]);
    }
    case 1u: {
      return unpack2x16float(word_at(quad, k / 2u, shape.words * 4u)[lane])[k % 2u];
    }
    case 2u: {
      let pair = word_at(quad, k / 2u, shape.words * 4u)[lane];
      return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, k % 2u == 1u));
    }
    case 4u: {
      let word = word_at(quad, k / 4u, shape.words * 2u)[lane];
      let s = unpack2x16float(scales_at(quad, k / 32u, (shape.words + 3u) / 4u)[lane]);
      return f32((word >> (8u * (k % 4u))) & 255u) * s.x + s.y;
    }
    default: {
      let word = word_at(quad, k / 8u, shape.words)[lane];
      let i = k % 8u;
      let shift = select(8u * i, 8u * i - 28u, i > 3u);
      let s = unpack2x16float(scales_at(quad, k / 32u, (shape.words + 3u) / 4u)[lane]);
      return f32((word >> shift) & 15u) * s.x + s.y;
    }
  }
}

fn embed_row(r: u32, lane: u32) {
  let picture = media[r];
  if (picture > 0u) {
    for (var k = lane; k < shape.words * 8u; k += WG) {
      out[r * shape.out_stride + k] = store[(picture - 1u) * shape.media_stride + k];
    }
    return;
  }
  var id = token[r];
  if (id >= 0x80000000u) {
    id = drawn[id & 0x7fffffffu];
  }
  if (id < shape.first || id >= shape.first + 4u * shape.quads) {
    return;
  }
  for (var k = lane; k < shape.words * 8u; k += WG) {
    out[r * shape.out_stride + k] = value(id - shape.first, k);
  }
}
