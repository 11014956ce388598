// out = logits with a row's penalties and mask: repetition (ids of prompt or answer: positive logits divided, negative
// multiplied by it), frequency (times occurrences in the answer) and presence (once), then −3e38 where the mask's bit is 0.
// counts [slots, vocab]: occurrences in the answer, bit 31: in the prompt.
struct Shape {
  rows: u32,
  vocab: u32,
  stride: u32,
}
struct Adjust {
  slot: u32,
  mask_at: u32, // first word of the row's mask, 0xffffffff: none
  repetition: f32,
  frequency: f32,
  presence: f32,
  penalised: u32, // 0: counts of this slot mean nothing
  unused0: u32,
  unused1: u32,
}
override WG: u32 = 64u;
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> adjusts: array<Adjust>;
@group(0) @binding(3) var<storage, read> counts: array<u32>;
@group(0) @binding(4) var<storage, read> masks: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  let row = id.y;
  if (i >= shape.vocab) {
    return;
  }
  let a = adjusts[row];
  var v = logits[row * shape.stride + i];
  if (a.penalised == 1u) {
    let seen = counts[a.slot * shape.vocab + i];
    let times = f32(seen & 0x7fffffffu);
    if (seen > 0u) {
      v = select(v * a.repetition, v / a.repetition, v > 0.0);
    }
    if (times > 0.0) {
      v -= a.frequency * times + a.presence;
    }
  }
  if (a.mask_at != 0xffffffffu && (masks[a.mask_at + i / 32u] >> (i % 32u) & 1u) == 0u) {
    v = -3.0e38;
  }
  out[row * shape.stride + i] = v;
}
