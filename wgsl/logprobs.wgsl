// Log-probabilities of a row's raw logits, from the parts of its tiles (logit_tiles.wgsl): of the id drawn (results[row, 0])
// into results[row, 1], of the `tops[row]` largest as ids into results[row, 2 …] and as values into results[row, 2 + 20 …];
// equal values by smaller id first. A tile that has given its largest is searched for the next.
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32,
  result_stride: u32,
}
override WG: u32 = 128u;
override TILE: u32 = 512u; // logits of a part
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> tops: array<u32>; // 0xffffffff: nothing wanted in this row
@group(0) @binding(3) var<storage, read_write> parts: array<Part>;
@group(0) @binding(4) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let wanted = tops[row];
  if (wanted == NONE) {
    return;
  }
  let base = row * shape.stride;
  let to = row * shape.result_stride;
  let tiles = (shape.vocab + TILE - 1u) / TILE;
  let first = row * tiles;
  var largest = 0.0;
  var log_sum = 0.0;
  for (var round = 0u; round < max(wanted, 1u); round++) {
    var top = LEAST;
    var place = NONE;
    for (var t = first + lane; t < first + tiles; t += WG) {
      if (before(parts[t].top, parts[t].place, top, place)) {
        top = parts[t].top;
        place = parts[t].place;
      }
    }
    best(lane, top, place);
    let given = values[0];
    let given_place = places[0];
    if (round == 0u) {
      largest = given;
      var sum = 0.0;
      for (var t = first + lane; t < first + tiles; t += WG) {
        sum += parts[t].sum * exp(parts[t].top - largest);
      }
      log_sum = log(total(lane, sum));
      if (lane == 0u) {
        results[to + 1u] = bitcast<u32>(logits[base + results[to]] - largest - log_sum);
      }
    }
    if (lane == 0u && wanted > 0u) {
      results[to + 2u + round] = given_place;
      results[to + 22u + round] = bitcast<u32>(given - largest - log_sum);
    }
    if (round + 1u >= wanted || given_place == NONE) {
      continue;
    }
    let tile = given_place / TILE;
    top = LEAST;
    place = NONE;
    for (var i = tile * TILE + lane; i < min(tile * TILE + TILE, shape.vocab); i += WG) {
      let v = logits[base + i];
      if (before(given, given_place, v, i) && before(v, i, top, place)) {
        top = v;
        place = i;
      }
    }
    best(lane, top, place);
    if (lane == 0u) {
      parts[first + tile].top = values[0];
      parts[first + tile].place = places[0];
    }
    storageBarrier();
  }
}
