// Weights in the layout of matmul.wgsl, from wherever word_at and scales_at read them.
fn scale_of(s: vec4u) -> vec4f {
  return vec4f(unpack2x16float(s.x).x, unpack2x16float(s.y).x, unpack2x16float(s.z).x, unpack2x16float(s.w).x);
}

fn least_of(s: vec4u) -> vec4f {
  return vec4f(unpack2x16float(s.x).y, unpack2x16float(s.y).y, unpack2x16float(s.z).y, unpack2x16float(s.w).y);
}

struct Scales { // of the 4 rows of a quad in one group of 32 k: weight = scale · code + least
  scale: vec4f,
  least: vec4f,
}

fn scales_of(quad: u32, group: u32) -> Scales {
  if (FORMAT < 3u) {
    return Scales();
  }
  let s = scales_at(quad, group, (shape.words + 3u) / 4u);
  return Scales(scale_of(s), least_of(s));
}

// 8 consecutive k of one quad: w[i] = the 4 rows' weights at k = 8 · word + i.
fn fetch(quad: u32, word: u32, w: ptr<function, array<vec4f, 8>>) {
  fetch_scaled(quad, word, scales_of(quad, word / 4u), w);
}

// The same with the scales of the word's group at hand.
fn fetch_scaled(quad: u32, word: u32, by: Scales, w: ptr<function, array<vec4f, 8>>) {
  switch FORMAT {
    case 3u: {
      let q = word_at(quad, word, shape.words);
      (*w)[0] = vec4f(vec4i(q & vec4u(15u))) * by.scale + by.least;
      (*w)[1] = vec4f(vec4i((q >> vec4u(8u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[2] = vec4f(vec4i((q >> vec4u(16u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[3] = vec4f(vec4i((q >> vec4u(24u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[4] = vec4f(vec4i((q >> vec4u(4u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[5] = vec4f(vec4i((q >> vec4u(12u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[6] = vec4f(vec4i((q >> vec4u(20u)) & vec4u(15u))) * by.scale + by.least;
      (*w)[7] = vec4f(vec4i(q >> vec4u(28u))) * by.scale + by.least;
    }
    case 4u: {
      for (var i = 0u; i < 2u; i++) {
        let q = word_at(quad, 2u * word + i, 2u * shape.words);
        (*w)[4u * i] = vec4f(vec4i(q & vec4u(255u))) * by.scale + by.least;
        (*w)[4u * i + 1u] = vec4f(vec4i((q >> vec4u(8u)) & vec4u(255u))) * by.scale + by.least;
        (*w)[4u * i + 2u] = vec4f(vec4i((q >> vec4u(16u)) & vec4u(255u))) * by.scale + by.least;
        (*w)[4u * i + 3u] = vec4f(vec4i(q >> vec4u(24u))) * by.scale + by.least;
      }
    }
    case 0u: {
      for (var i = 0u; i < 8u; i++) {
        (*w)[i] = bitcast<vec4f>(word_at(quad, 8u * word + i, 8u * shape.words));
      }
    }
    case 1u: {
      for (var i = 0u; i < 4u; i++) {
        let q = word_at(quad, 4u * word + i, 4u * shape.words);
        let a = unpack2x16float(q.x);
        let b = unpack2x16float(q.y);
        let c = unpack2x16float(q.z);
        let d = unpack2x16float(q.w);
        (*w)[2u * i] = vec4f(a.x, b.x, c.x, d.x);
        (*w)[2u * i + 1u] = vec4f(a.y, b.y, c.y, d.y);
      }
    }
    default: {
      for (var i = 0u; i < 4u; i++) {
        let q = word_at(quad, 4u * word + i, 4u * shape.words);
        (*w)[2u * i] = bitcast<vec4f>(q << vec4u(16u));
        (*w)[2u * i + 1u] = bitcast<vec4f>(q & vec4u(0xffff0000u));
      }
    }
  }
}
