// Words and scales of the weights, from texels in tiles of 8 quads (src/model/quad_tiles.ts): of a quad's `count` pieces the
// i-th. The scales follow the weights.
fn texel_of(first: u32, quad: u32, i: u32, count: u32) -> vec4u {
  let t = first + ((quad >> 3u) * count + i) * 8u + (quad & 7u);
  return textureLoad(weight, vec2u(t & 8191u, t >> 13u), 0);
}

fn word_at(quad: u32, i: u32, count: u32) -> vec4u {
  return texel_of(0u, quad, i, count);
}

fn scales_at(quad: u32, i: u32, count: u32) -> vec4u {
  return texel_of(shape.scales_at, quad, i, count);
}
