// Few rows of x (a uniform window) with QUADS quads of weights, int4 and int8 with the codes left in place in the word.
// Σ over 8 nibbles of each row; nibbles stay where they are in the word, p and q carry the powers of two.
fn nibbles(w: vec4i, p: vec4f, q: vec4f) -> vec4f {
  return vec4f(w & vec4i(0xf)) * p.x + vec4f(w & vec4i(0xf00)) * p.y + vec4f(w & vec4i(0xf0000)) * p.z
    + vec4f(w & vec4i(0xf000000)) * p.w + vec4f(w & vec4i(0xf0)) * q.x + vec4f(w & vec4i(0xf000)) * q.y
    + vec4f(w & vec4i(0xf00000)) * q.z + vec4f((w >> vec4u(28u)) & vec4i(0xf)) * q.w;
}

// Σ over 4 bytes of each row, the same way.
fn bytes(w: vec4i, p: vec4f) -> vec4f {
  return vec4f(w & vec4i(0xff)) * p.x + vec4f(w & vec4i(0xff00)) * p.y + vec4f(w & vec4i(0xff0000)) * p.z
    + vec4f((w >> vec4u(24u)) & vec4i(0xff)) * p.w;
}

// Σ over 8 codes of each row of a quad; p and q scaled for where the codes lie.
fn coded(quad: u32, word: u32, p: vec4f, q: vec4f) -> vec4f {
  if (FORMAT == 4u) {
    let words = 2u * shape.words;
    return bytes(bitcast<vec4i>(word_at(quad, 2u * word, words)), p)
      + bytes(bitcast<vec4i>(word_at(quad, 2u * word + 1u, words)), q);
  }
  return nibbles(bitcast<vec4i>(word_at(quad, word, shape.words)), p, q);
}

// t[i] = Σ_k x[at, k] · w[quad + i, k], x times norm where NORM is 1; gives what the sums are to be multiplied with.
fn row_sums(quad: u32, at: u32, t: ptr<function, array<vec4f, 8>>) -> f32 {
  var squares = vec4f();
  if (FORMAT >= 3u) {
    // 2^0, 2^-8, 2^-16, 2^-24 and 2^-4, 2^-12, 2^-20; the top code is shifted
    var low = vec4f(1.0, 0.00390625, 0.0000152587890625, 5.9604644775390625e-08);
    var high = vec4f(0.0625, 0.000244140625, 9.5367431640625e-07, 1.0);
    if (FORMAT == 4u) {
      low = vec4f(1.0, 0.00390625, 0.0000152587890625, 1.0);
      high = low;
    }
    let groups = (shape.words + 3u) / 4u;
    for (var g = 0u; g < groups; g++) {
      var sum = vec4f();
      var part = array<vec4f, 8>(); // written out: naga does not clear a plain var again in each round
      let end = min(shape.words, 4u * g + 4u);
      for (var word = 4u * g; word < end; word++) {
        var p = x[at + 2u * word];
        var q = x[at + 2u * word + 1u];
        if (NORM == 1u) {
          squares += p * p + q * q;
          p *= norm[2u * word];
          q *= norm[2u * word + 1u];
        }
        sum += p + q;
        p *= low;
        q *= high;
        part[0] += coded(quad, word, p, q);
        part[1] += coded(quad + 1u, word, p, q);
        if (QUADS > 2u) {
          part[2] += coded(quad + 2u, word, p, q);
          part[3] += coded(quad + 3u, word, p, q);
        }
        if (QUADS > 4u) {
          part[4] += coded(quad + 4u, word, p, q);
          part[5] += coded(quad + 5u, word, p, q);
          part[6] += coded(quad + 6u, word, p, q);
          part[7] += coded(quad + 7u, word, p, q);
        }
      }
      let whole = sum.x + sum.y + sum.z + sum.w;
      for (var i = 0u; i < QUADS; i++) {
        let s = scales_at(quad + i, g, groups);
        (*t)[i] += scale_of(s) * part[i] + least_of(s) * whole;
      }
    }
  } else {
    var w: array<vec4f, 8>;
    for (var word = 0u; word < shape.words; word++) {
      var p = x[at + 2u * word];
      var q = x[at + 2u * word + 1u];
      if (NORM == 1u) {
        squares += p * p + q * q;
        p *= norm[2u * word];
        q *= norm[2u * word + 1u];
      }
      for (var i = 0u; i < QUADS; i++) {
        fetch(quad + i, word, &w);
        (*t)[i] += w[0] * p.x + w[1] * p.y + w[2] * p.z + w[3] * p.w + w[4] * q.x + w[5] * q.y + w[6] * q.z + w[7] * q.w;
      }
    }
  }
  if (NORM == 0u) {
    return 1.0;
  }
  return inverseSqrt((squares.x + squares.y + squares.z + squares.w) / f32(shape.cols) + shape.eps);
}
