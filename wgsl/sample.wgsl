// Draws one id a row of logits [rows, vocab] and leaves it in drawn[slot] and results[row, 0]; goes on from the parts of the
// row's tiles (logit_tiles.wgsl). Greedy: the first of the largest. Else, on the logits over the temperature and in this
// order: min_p keeps those of at least p times the largest probability; top_k the k largest of them; top_p the smallest set
// of largest whose probability, among what is left, reaches p (ties at a threshold stay). Then the largest of logit +
// Gumbel noise, the noise being a hash of (seed, token index, id), so that a draw depends on nothing else in the batch.
// Few logits are left as a rule: the lanes hold the largest, and thresholds are searched among them (parts/cut.wgsl).
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32, // in f32
  result_stride: u32,
}
override WG: u32 = 128u;
override TILE: u32 = 512u; // logits of a part
override HELD: u32 = 8u; // logits that a lane may hold
override RANK: u32 = 32u; // with top_p alone: at least so many logits are held
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> parts: array<Part>;
@group(0) @binding(3) var<storage, read> draws: array<Draw>;
@group(0) @binding(4) var<storage, read_write> drawn: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<u32>;
var<workgroup> held: array<f32, WG * HELD>;
var<workgroup> held_places: array<u32, WG * HELD>;
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let draw = draws[row];
  let tiles = tiles_of_row();
  let first = row * tiles;
  var top = LEAST;
  var place = NONE;
  var score = LEAST;
  var score_place = NONE;
  for (var t = first + lane; t < first + tiles; t += WG) {
    let part = parts[t];
    if (before(part.top, part.place, top, place)) {
      top = part.top;
      place = part.place;
    }
    if (before(part.score, part.score_place, score, score_place)) {
      score = part.score;
      score_place = part.score_place;
    }
  }
  best(lane, top, place);
  top = workgroupUniformLoad(&values[0]);
  var id = workgroupUniformLoad(&places[0]);
  if (draw.temperature > 0.0) {
    if (cuts(draw, shape.vocab)) {
      var search = Search(lane, row, NONE, top);
      let least = cut(&search, draw);
      let sharp = 1.0 / draw.temperature;
      score = LEAST;
      score_place = NONE;
      if (least >= search.limit) {
        for (var j = lane; j < min(count, HELD) * WG; j += WG) {
          if (key_of(held[j]) >= least) {
            let noised = noisy(vec4f(held[j]), sharp, draw, vec4u(held_places[j])).x;
            if (noised > score) {
              score = noised;
              score_place = held_places[j];
            }
          }
        }
      } else {
        for (var t = 0u; t < tiles; t++) {
          if (key_of(parts[first + t].top) >= least) {
            for (var at = t * TILE + 4u * lane; at < min(t * TILE + TILE, shape.vocab); at += 4u * WG) {
              let four = four_at(row, at);
              let noised = noisy(four, sharp, draw, at + vec4u(0u, 1u, 2u, 3u));
              let kept = select(vec4f(LEAST), noised, keys_of(four, at) >= vec4u(max(1u, least)));
              let most = largest_of(kept);
              if (most > score) {
                score = most;
                score_place = at + first_with(kept, most);
              }
            }
          }
        }
      }
    }
    best(lane, score, score_place);
    if (places[0] != NONE) {
      id = places[0];
    }
  }
  if (lane == 0u) {
    drawn[draw.slot] = id;
    results[row * shape.result_stride] = id;
  }
}
