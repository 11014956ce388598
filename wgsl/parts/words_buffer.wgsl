// Words and scales of the weights, from storage buffers: of a quad's `count` pieces the i-th.
fn word_at(quad: u32, i: u32, count: u32) -> vec4u {
  return weight[quad * count + i];
}

fn scales_at(quad: u32, i: u32, count: u32) -> vec4u {
  return scales[quad * count + i];
}
