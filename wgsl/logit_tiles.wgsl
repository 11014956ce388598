// parts[row, tile]: what sample.wgsl (DRAW 1) or logprobs.wgsl (DRAW 0) goes on from, of TILE logits of a row [rows, vocab].
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32, // in vec4
}
override WG: u32 = 64u;
override TILE: u32 = 512u; // logits of a part; a multiple of 4
override DRAW: u32 = 1u; // 1: as the row's draw asks; 0: the sum of exp(logit − top) of rows that want log-probabilities
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> draws: array<Draw>;
@group(0) @binding(3) var<storage, read> tops: array<u32>; // 0xffffffff: nothing wanted in this row
@group(0) @binding(4) var<storage, read_write> parts: array<Part>;

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y;
  if (DRAW == 0u && tops[row] == NONE) {
    return;
  }
  let base = row * shape.stride;
  let from_quad = group.x * TILE / 4u;
  let to_quad = min(from_quad + TILE / 4u, (shape.vocab + 3u) / 4u);
  var draw: Draw;
  var sharp = 1.0;
  if (DRAW == 1u) {
    draw = draws[row];
    if (draw.temperature > 0.0) {
      sharp = 1.0 / draw.temperature;
    }
  }
  let all = DRAW == 1u && draw.temperature > 0.0 && !cuts(draw, shape.vocab);
  var top = LEAST;
  var place = NONE;
  var score = LEAST;
  var score_place = NONE;
  for (var quad = from_quad + lane; quad < to_quad; quad += WG) {
    let all_ids = 4u * quad + vec4u(0u, 1u, 2u, 3u);
    let inside = all_ids < vec4u(shape.vocab);
    let loaded = logits[base + quad];
    let four = select(vec4f(loaded.x), loaded, inside); // past the end: once more the first
    let ids = select(all_ids.xxxx, all_ids, inside);
    let most = largest_of(four);
    if (before(most, ids.x, top, place)) {
      top = most;
      place = ids.x + first_with(four, most);
    }
    if (all) {
      let noised = noisy(four, sharp, draw, ids);
      let s = largest_of(noised);
      if (s > score) {
        score = s;
        score_place = ids.x + first_with(noised, s);
      }
    }
  }
  best(lane, top, place);
  top = values[0];
  place = places[0];
  var sum = 0.0;
  if (DRAW == 0u || (draw.temperature > 0.0 && draw.top_p < 1.0)) {
    for (var quad = from_quad + lane; quad < to_quad; quad += WG) {
      let ids = 4u * quad + vec4u(0u, 1u, 2u, 3u);
      let four = exp((logits[base + quad] - top) * sharp);
      sum += dot(select(vec4f(), four, ids < vec4u(shape.vocab)), vec4f(1.0));
    }
    sum = total(lane, sum);
  }
  if (all) {
    best(lane, score, score_place);
    score = values[0];
    score_place = places[0];
  }
  if (lane == 0u) {
    parts[row * groups.x + group.x] = Part(top, place, sum, score, score_place, 0u, 0u, 0u);
  }
}
