// The largest logits of a row, held by the lanes of sample.wgsl. Keys are integers in the order of the floats.
var<workgroup> reached: u32;
var<private> count: u32; // logits that this lane holds

fn key_of(v: f32) -> u32 { // −0 is 0
  let bits = bitcast<u32>(select(v, 0.0, v == 0.0));
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Keys of the 4 logits from `at` on; 0, less than any float's, past the end of the row.
fn keys_of(four: vec4f, at: u32) -> vec4u {
  let keys = vec4u(key_of(four.x), key_of(four.y), key_of(four.z), key_of(four.w));
  return select(vec4u(), keys, at + vec4u(0u, 1u, 2u, 3u) < vec4u(shape.vocab));
}

fn four_at(row: u32, at: u32) -> vec4f {
  return logits[(row * shape.stride + at) / 4u];
}

fn tiles_of_row() -> u32 {
  return (shape.vocab + TILE - 1u) / TILE;
}

// Key of the tile whose largest is the rank-th of all tiles': as many logits reach it at least.
fn key_of_rank(lane: u32, row: u32, rank: u32) -> u32 {
  let tiles = tiles_of_row();
  let first = row * tiles;
  for (var t = lane; t < tiles; t += WG) {
    let v = parts[first + t].top;
    var ahead = 0u;
    for (var u = 0u; u < tiles; u++) {
      ahead += select(0u, 1u, before(parts[first + u].top, u, v, t));
    }
    if (ahead + 1u == rank) {
      reached = key_of(v);
    }
  }
  return workgroupUniformLoad(&reached);
}

fn hold_one(lane: u32, key: u32, least: u32, v: f32, place: u32) {
  if (key >= least) {
    if (count < HELD) {
      held[count * WG + lane] = v;
      held_places[count * WG + lane] = place;
    }
    count++;
  }
}

// Every lane holds those of its logits whose key is at least `least`: `least`, or NONE where they are too many.
fn hold(lane: u32, row: u32, least: u32) -> u32 {
  let tiles = tiles_of_row();
  for (var t = 0u; t < tiles; t++) {
    if (key_of(parts[row * tiles + t].top) >= least) {
      for (var at = t * TILE + 4u * lane; at < min(t * TILE + TILE, shape.vocab); at += 4u * WG) {
        let four = four_at(row, at);
        let keys = keys_of(four, at);
        hold_one(lane, keys.x, least, four.x, at);
        hold_one(lane, keys.y, least, four.y, at + 1u);
        hold_one(lane, keys.z, least, four.z, at + 2u);
        hold_one(lane, keys.w, least, four.w, at + 3u);
      }
    }
  }
  return select(least, NONE, total(lane, select(0.0, 1.0, count > HELD)) > 0.0);
}
