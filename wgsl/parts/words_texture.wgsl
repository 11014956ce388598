// Words and scales of the weights, from texels; the scales follow the weights.
fn word_at(i: u32) -> vec4u {
  return textureLoad(weight, vec2u(i & 8191u, i >> 13u), 0);
}

fn scales_of(i: u32) -> vec4u {
  return word_at(shape.scales_at + i);
}
