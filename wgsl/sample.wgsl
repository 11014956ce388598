// Draws one id a row of logits [rows, vocab] and leaves it in drawn[slot] and ids[row].
// Greedy: the first of the largest. Else, over the logits divided by the temperature: top_k keeps the k largest,
// top_p the smallest set of largest whose probability reaches p, min_p those of at least p times the largest
// probability (applied together on the same distribution); then the largest of logit + Gumbel noise, the noise being a hash of
// (seed, token index, id), so that a draw depends on nothing else in the batch.
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32,
}
struct Draw {
  slot: u32,
  seed: u32,
  index: u32, // token index in the sequence
  top_k: u32, // 0: off
  temperature: f32, // 0: greedy
  top_p: f32,
  min_p: f32,
  unused: f32,
}
override WG: u32 = 128u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> draws: array<Draw>;
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;
@group(0) @binding(4) var<storage, read_write> ids: array<u32>;
var<workgroup> values: array<f32, WG>;
var<workgroup> places: array<u32, WG>;

fn best(lane: u32, value: f32, place: u32) -> u32 { // place of the largest value, the first of equals
  workgroupBarrier();
  values[lane] = value;
  places[lane] = place;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let v = values[lane + half];
      let p = places[lane + half];
      if (v > values[lane] || (v == values[lane] && p < places[lane])) {
        values[lane] = v;
        places[lane] = p;
      }
    }
    workgroupBarrier();
  }
  return places[0];
}

fn total(lane: u32, value: f32) -> f32 {
  workgroupBarrier();
  values[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      values[lane] += values[lane + half];
    }
    workgroupBarrier();
  }
  return values[0];
}

fn hash(a: u32, b: u32, c: u32) -> u32 { // PCG-style mixing of three words
  var h = a * 747796405u + 2891336453u;
  h = (h ^ (h >> 16u)) * 2246822519u + b;
  h = (h ^ (h >> 13u)) * 3266489917u + c;
  h = (h ^ (h >> 16u)) * 668265263u;
  h = (h ^ (h >> 15u)) * 2246822519u;
  return h ^ (h >> 16u);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let base = row * shape.stride;
  let draw = draws[row];
  var top = -3.4e38;
  var place = 0xffffffffu;
  for (var i = lane; i < shape.vocab; i += WG) {
    let v = logits[base + i];
    if (v > top || place == 0xffffffffu) {
      top = v;
      place = i;
    }
  }
  var id = best(lane, top, place);
  top = workgroupUniformLoad(&values[0]);
  if (draw.temperature > 0.0) {
    let sharp = 1.0 / draw.temperature;
    var floor_at = top - 80.0 / sharp; // what is kept: logits ≥ floor_at
    if (draw.min_p > 0.0) {
      floor_at = max(floor_at, top + log(draw.min_p) / sharp);
    }
    let use_k = draw.top_k > 0u && draw.top_k < shape.vocab;
    let use_p = draw.top_p < 1.0;
    if (use_k || use_p) {
      var whole = 0.0;
      for (var i = lane; i < shape.vocab; i += WG) {
        whole += exp((logits[base + i] - top) * sharp);
      }
      whole = total(lane, whole);
      var low = floor_at; // everything ≥ low satisfies both wants; halve towards the tightest such threshold
      var high = top;
      for (var round = 0u; round < 40u; round++) {
        let middle = 0.5 * (low + high);
        var count = 0.0;
        var mass = 0.0;
        for (var i = lane; i < shape.vocab; i += WG) {
          let v = logits[base + i];
          if (v >= middle) {
            count += 1.0;
            mass += exp((v - top) * sharp);
          }
        }
        count = total(lane, count);
        mass = total(lane, mass);
        let enough = (!use_k || count >= f32(draw.top_k)) && (!use_p || mass >= draw.top_p * whole);
        let over = (use_k && count >= f32(draw.top_k)) || (use_p && mass >= draw.top_p * whole);
        if (select(enough, over, use_k && use_p)) {
          low = middle;
        } else {
          high = middle;
        }
      }
      floor_at = max(floor_at, low);
    }
    var score = -3.4e38;
    place = id;
    for (var i = lane; i < shape.vocab; i += WG) {
      let v = logits[base + i];
      if (v >= floor_at) {
        let u = (f32(hash(draw.seed, draw.index, i) >> 8u) + 0.5) / 16777216.0;
        let s = v * sharp - log(-log(u));
        if (s > score) {
          score = s;
          place = i;
        }
      }
    }
    id = best(lane, score, place);
  }
  if (lane == 0u) {
    drawn[draw.slot] = id;
    ids[row] = id;
  }
}
