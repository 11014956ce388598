// What the kernels that draw ids share: a tile's part, the noise of a draw, the largest of a workgroup's values.
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
struct Part { // of a tile of a row's logits
  top: f32, // the largest, the first of equals
  place: u32,
  sum: f32, // of exp((logit − top) · sharp); only where it is needed
  score: f32, // largest of logit · sharp + noise; only where nothing is cut off
  score_place: u32,
  unused0: u32,
  unused1: u32,
  unused2: u32,
}
const NONE = 0xffffffffu; // no place
const LEAST = -3.4e38;
var<workgroup> values: array<f32, WG>;
var<workgroup> places: array<u32, WG>;

fn cuts(draw: Draw, vocab: u32) -> bool {
  return draw.min_p > 0.0 || draw.top_p < 1.0 || (draw.top_k > 0u && draw.top_k < vocab);
}

fn hash(a: u32, b: u32, c: vec4u) -> vec4u { // PCG-style mixing of three words
  var h = vec4u(a * 747796405u + 2891336453u);
  h = (h ^ (h >> vec4u(16u))) * 2246822519u + b;
  h = (h ^ (h >> vec4u(13u))) * 3266489917u + c;
  h = (h ^ (h >> vec4u(16u))) * 668265263u;
  h = (h ^ (h >> vec4u(15u))) * 2246822519u;
  return h ^ (h >> vec4u(16u));
}

fn noisy(v: vec4f, sharp: f32, draw: Draw, id: vec4u) -> vec4f { // with Gumbel noise
  let u = (vec4f(hash(draw.seed, draw.index, id) >> vec4u(8u)) + 0.5) / 16777216.0;
  return v * sharp - log(-log(u));
}

fn largest_of(v: vec4f) -> f32 {
  return max(max(v.x, v.y), max(v.z, v.w));
}

fn first_with(v: vec4f, value: f32) -> u32 { // the first component that has this value
  return select(select(select(3u, 2u, v.z == value), 1u, v.y == value), 0u, v.x == value);
}

// (value, place) goes before (than, at): it is larger, or equal and further ahead; without a place nothing does.
fn before(value: f32, place: u32, than: f32, at: u32) -> bool {
  return place != NONE && (at == NONE || value > than || (value == than && place < at));
}

// Leaves the workgroup's first by `before` in values[0], places[0].
fn best(lane: u32, value: f32, place: u32) {
  workgroupBarrier();
  values[lane] = value;
  places[lane] = place;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half && before(values[lane + half], places[lane + half], values[lane], places[lane])) {
      values[lane] = values[lane + half];
      places[lane] = places[lane + half];
    }
    workgroupBarrier();
  }
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
  return workgroupUniformLoad(&values[0]);
}
