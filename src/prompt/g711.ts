/** ITU-T G.711: 8-bit telephone samples → 16-bit linear, as the standard's tables give them. */

/** A-law (European telephony): even bits inverted, sign bit 1 for positive. */
export function alaw(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7, mantissa = bits & 15;
  const magnitude = exponent === 0 ? (mantissa << 4) + 8 : ((mantissa << 4) + 0x108) << (exponent - 1);
  return bits & 0x80 ? magnitude : -magnitude;
}

/** µ-law (American and Japanese telephony): all bits inverted, bias 132. */
export function mulaw(code: number): number {
  const bits = ~code & 0xFF;
  const magnitude = ((((bits & 15) << 3) + 132) << ((bits >> 4) & 7)) - 132;
  return bits & 0x80 ? -magnitude : magnitude;
}
