// Log-probabilities of a row's raw logits: of the id drawn (results[row, 0]) into results[row, 1], of the `tops[row]`
// largest as ids into results[row, 2 …] and as values into results[row, 2 + 20 …]; equal values by smaller id first.
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32,
  result_stride: u32,
}
override WG: u32 = 128u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> tops: array<u32>; // 0xffffffff: nothing wanted in this row
@group(0) @binding(3) var<storage, read_write> results: array<u32>;
var<workgroup> values: array<f32, WG>;
var<workgroup> places: array<u32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let wanted = tops[row];
  if (wanted == 0xffffffffu) {
    return;
  }
  let base = row * shape.stride;
  let to = row * shape.result_stride;
  var largest = 0.0;
  var log_sum = 0.0;
  var before = 3.4e38;
  var before_place = 0u;
  for (var round = 0u; round < max(wanted, 1u); round++) {
    var top = -3.4e38;
    var place = 0xffffffffu;
    for (var i = lane; i < shape.vocab; i += WG) {
      let v = logits[base + i];
      let later = v < before || (v == before && i > before_place);
      if (later && (v > top || place == 0xffffffffu)) {
        top = v;
        place = i;
      }
    }
    workgroupBarrier();
    values[lane] = top;
    places[lane] = place;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
      if (lane < half) {
        let v = values[lane + half];
        let p = places[lane + half];
        let mine = places[lane];
        if (p != 0xffffffffu && (mine == 0xffffffffu || v > values[lane] || (v == values[lane] && p < mine))) {
          values[lane] = v;
          places[lane] = p;
        }
      }
      workgroupBarrier();
    }
    before = values[0];
    before_place = places[0];
    if (round == 0u) {
      largest = before;
      var sum = 0.0;
      for (var i = lane; i < shape.vocab; i += WG) {
        sum += exp(logits[base + i] - largest);
      }
      workgroupBarrier();
      values[lane] = sum;
      workgroupBarrier();
      for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
          values[lane] += values[lane + half];
        }
        workgroupBarrier();
      }
      log_sum = log(values[0]);
      if (lane == 0u) {
        results[to + 1u] = bitcast<u32>(logits[base + results[to]] - largest - log_sum);
      }
    }
    if (lane == 0u && wanted > 0u) {
      results[to + 2u + round] = before_place;
      results[to + 22u + round] = bitcast<u32>(before - largest - log_sum);
    }
  }
}
