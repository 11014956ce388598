// Words and scales of the weights, from storage buffers.
fn word_at(i: u32) -> vec4u {
  return weight[i];
}

fn scales_of(i: u32) -> vec4u {
  return scales[i];
}
