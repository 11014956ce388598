// The cut of sample.wgsl: which of a row's logits are left, found among those that the lanes hold, or in all tiles. No
// lane makes more than some 40,000 rounds of loops together, even where all of 2^18 logits are left: lavapipe leaves a
// shader's loops for good after 65,535.
var<workgroup> sums: array<vec3f, WG>;

struct Search {
  lane: u32,
  row: u32,
  limit: u32, // key from which on all logits are held
  top: f32, // the largest logit
}

// Σ exp((v − top) · sharp) over the logits whose key is at least each of `least` (rising); sharp 0 counts them. A lane adds
// up the same logits in the same order whether they are held or not.
fn masses(s: Search, least: vec3u, sharp: f32, from_held: bool) -> vec3f {
  var sum = vec3f();
  if (from_held) {
    for (var j = s.lane; j < min(count, HELD) * WG; j += WG) {
      sum += select(vec3f(), vec3f(exp((held[j] - s.top) * sharp)), vec3u(key_of(held[j])) >= least);
    }
  } else {
    let tiles = tiles_of_row();
    for (var t = 0u; t < tiles; t++) {
      if (key_of(parts[s.row * tiles + t].top) >= least.x) {
        for (var at = t * TILE + 4u * s.lane; at < min(t * TILE + TILE, shape.vocab); at += 4u * WG) {
          let four = four_at(s.row, at);
          let keys = keys_of(four, at);
          let e = exp((four - s.top) * sharp);
          sum += select(vec3f(), e.xxx, keys.xxx >= least);
          sum += select(vec3f(), e.yyy, keys.yyy >= least);
          sum += select(vec3f(), e.zzz, keys.zzz >= least);
          sum += select(vec3f(), e.www, keys.www >= least);
        }
      }
    }
  }
  sums[s.lane] = sum;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (s.lane < half) {
      sums[s.lane] += sums[s.lane + half];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&sums[0]);
}

// Largest key whose mass still reaches `wanted`, two bits at a time; what lies under `least` does not count.
fn threshold(s: Search, least: u32, sharp: f32, wanted: f32) -> u32 {
  let holds = s.limit != NONE;
  let enough = holds && masses(s, vec3u(s.limit), sharp, true).x >= wanted;
  let most = select(NONE, key_of(s.top), wanted > 0.0);
  var found = 0u;
  for (var pair = 0u; pair < 16u; pair++) {
    let shift = 30u - 2u * pair;
    let probes = max(vec3u(least), vec3u(found) | (vec3u(1u, 2u, 3u) << vec3u(shift)));
    if (probes.x > most) {
      continue;
    }
    var reach = vec3<bool>(true);
    if (!(enough && probes.z <= s.limit)) {
      let mass = masses(s, probes, sharp, enough || (holds && probes.x >= s.limit));
      reach = (mass >= vec3f(wanted)) | (vec3<bool>(enough) & (probes <= vec3u(s.limit)));
    }
    let met = select(vec3u(), vec3u(1u), reach & (probes <= vec3u(most)));
    found |= (met.x + met.y + met.z) << shift;
  }
  return found;
}

// Smallest key that min_p, top_k and top_p leave, and in `limit` the key from which on all logits are held.
fn cut(s: ptr<function, Search>, draw: Draw) -> u32 {
  let sharp = 1.0 / draw.temperature;
  let tiles = tiles_of_row();
  let first = (*s).row * tiles;
  let by_rank = draw.top_k > 0u && draw.top_k < shape.vocab;
  let rank = select(RANK, draw.top_k, by_rank);
  var least = 0u;
  if (draw.min_p > 0.0) {
    least = key_of((*s).top + log(draw.min_p) * draw.temperature);
  }
  if ((by_rank || draw.top_p < 1.0) && rank <= tiles) {
    (*s).limit = hold((*s).lane, (*s).row, max(least, key_of_rank((*s).lane, (*s).row, rank)));
  }
  if (by_rank) {
    least = max(least, threshold(*s, least, 0.0, f32(draw.top_k)));
  }
  if (draw.top_p < 1.0) {
    var whole = 0.0;
    if (least == 0u) {
      for (var t = first + (*s).lane; t < first + tiles; t += WG) {
        whole += parts[t].sum * exp((parts[t].top - (*s).top) * sharp);
      }
      whole = total((*s).lane, whole);
    } else {
      whole = masses(*s, vec3u(least), sharp, least >= (*s).limit).x;
    }
    least = max(least, threshold(*s, least, sharp, draw.top_p * whole));
  }
  return least;
}
