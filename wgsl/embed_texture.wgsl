// out[r] = media row, or embedding of ids[r], as embed.wgsl with the table as texels (matmul_texture.wgsl): scales behind
// the weights.
// token: bit 31 set = the id drawn last in that slot (drawn[slot]), else the id. media: row + 1 of the media store, or 0.
struct Shape {
  rows: u32,
  first: u32, // first vocabulary row of this shard
  quads: u32, // rows of this shard / 4
  words: u32, // hidden / 8
  out_stride: u32, // elements
  media_stride: u32, // elements
  scales_at: u32, // texel where the scales begin
}
override WG: u32 = 32u;
override FORMAT: u32 = 0u; // 0 f32, 1 f16, 2 bf16, 3 int4
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> token: array<u32>;
@group(0) @binding(2) var<storage, read> media: array<u32>;
@group(0) @binding(3) var<storage, read> drawn: array<u32>;
@group(0) @binding(4) var weight: texture_2d<u32>;
@group(0) @binding(5) var<storage, read> store: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

fn word_of(texel: u32, lane: u32) -> u32 {
  return textureLoad(weight, vec2u(texel & 8191u, texel >> 13u), 0)[lane];
}

fn value(row: u32, k: u32) -> f32 {
  let quad = row / 4u;
  let lane = row % 4u;
  switch FORMAT {
    case 0u: {
      return bitcast<f32>(word_of(quad * shape.words * 8u + k, lane));
    }
    case 1u: {
      return unpack2x16float(word_of(quad * shape.words * 4u + k / 2u, lane))[k % 2u];
    }
    case 2u: {
      let pair = word_of(quad * shape.words * 4u + k / 2u, lane);
      return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, k % 2u == 1u));
    }
    default: {
      let word = word_of(quad * shape.words + k / 8u, lane);
      let i = k % 8u;
      let shift = select(8u * i, 8u * i - 28u, i > 3u);
      let s = unpack2x16float(word_of(shape.scales_at + quad * ((shape.words + 3u) / 4u) + k / 32u, lane));
      return f32((word >> shift) & 15u) * s.x + s.y;
    }
  }
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let r = group.x;
  let picture = media[r];
  if (picture > 0u) {
    for (var k = lane; k < shape.words * 8u; k += WG) {
      out[r * shape.out_stride + k] = store[(picture - 1u) * shape.media_stride + k];
    }
    return;
  }
  var id = token[r];
  if (id >= 0x80000000u) {
    id = drawn[id & 0x7fffffffu];
  }
  if (id < shape.first || id >= shape.first + 4u * shape.quads) {
    return;
  }
  for (var k = lane; k < shape.words * 8u; k += WG) {
    out[r * shape.out_stride + k] = value(id - shape.first, k);
  }
}
