// Draws one id a row of logits [rows, vocab] and leaves it in drawn[slot] and results[row, 0].
// Greedy: the first of the largest. Else, on the logits over the temperature and in this order: min_p keeps those of at
// least p times the largest probability; top_k the k largest of them; top_p the smallest set of largest whose
// probability, among what is left, reaches p (ties at a threshold stay). Then the largest of logit + Gumbel noise, the
// noise being a hash of (seed, token index, id), so that a draw depends on nothing else in the batch.
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32,
  result_stride: u32,
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
@group(0) @binding(4) var<storage, read_write> results: array<u32>;
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

fn key_of(v: f32) -> u32 { // order of floats as order of integers
  let bits = bitcast<u32>(v);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Σ exp((v − top) · sharp) over the logits whose key is at least `least`; sharp 0 counts them.
fn mass(lane: u32, base: u32, least: u32, top: f32, sharp: f32) -> f32 {
  var sum = 0.0;
  for (var i = lane; i < shape.vocab; i += WG) {
    let v = logits[base + i];
    if (key_of(v) >= least) {
      sum += exp((v - top) * sharp);
    }
  }
  return total(lane, sum);
}

// Largest key whose mass still reaches `wanted`, bit by bit; what lies under `least` does not count.
fn threshold(lane: u32, base: u32, least: u32, top: f32, sharp: f32, wanted: f32) -> u32 {
  var found = 0u;
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    if (mass(lane, base, max(least, found | bit), top, sharp) >= wanted) {
      found |= bit;
    }
  }
  return found;
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
    var least = 0u; // smallest key that is kept
    if (draw.min_p > 0.0) {
      least = key_of(top + log(draw.min_p) * draw.temperature);
    }
    if (draw.top_k > 0u && draw.top_k < shape.vocab) {
      least = max(least, threshold(lane, base, least, top, 0.0, f32(draw.top_k)));
    }
    if (draw.top_p < 1.0) {
      let whole = mass(lane, base, least, top, sharp);
      least = max(least, threshold(lane, base, least, top, sharp, draw.top_p * whole));
    }
    var score = -3.4e38;
    place = id;
    for (var i = lane; i < shape.vocab; i += WG) {
      let v = logits[base + i];
      if (key_of(v) >= least) {
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
    results[row * shape.result_stride] = id;
  }
}
