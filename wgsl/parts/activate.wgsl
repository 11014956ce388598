// Activations of a product's values. Part of products.
fn erf_of(z: vec4f) -> vec4f { // Abramowitz and Stegun 7.1.26, |error| < 1.5e-7
  let a = abs(z);
  let t = 1.0 / (1.0 + 0.3275911 * a);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(z) * (1.0 - p * exp(-a * a));
}

// act: 0 none, 1 gelu (erf), 2 gelu (tanh), 3 quick gelu, 4 silu, 5 relu
fn activate(act: u32, v: vec4f) -> vec4f {
  switch act {
    case 1u: { return 0.5 * v * (1.0 + erf_of(v * 0.70710678118654752)); }
    case 2u: { // the built-in tanh is too coarse: 1 − 2 / (exp(2u) + 1)
      let u = clamp(0.7978845608028654 * (v + 0.044715 * v * v * v), vec4f(-15.0), vec4f(15.0));
      return v * (1.0 - 1.0 / (exp(2.0 * u) + 1.0));
    }
    case 3u: { return v / (1.0 + exp(-1.702 * v)); }
    case 4u: { return v / (1.0 + exp(-v)); }
    case 5u: { return max(v, vec4f()); }
    default: { return v; }
  }
}
