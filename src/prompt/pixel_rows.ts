/** Square pictures of one size → rows of patches, as CLIP and SigLIP read them. */

/**
 * Rows by picture, then patch (row by row); a row is (channel, patch row, patch column), zero-padded to a multiple of
 * 8. Pixels past the last whole patch are left out.
 * @param values [pictures, channels, side, side]
 */
export function pixelRows(
  values: Float32Array,
  { pictures, channels, side, patch }: { pictures: number; channels: number; side: number; patch: number },
): Float32Array {
  if (values.length !== pictures * channels * side * side) {
    throw new Error(
      `Cannot cut ${values.length} numbers: not ${pictures} pictures of ${side}×${side} pixels`,
    );
  }
  const across = Math.floor(side / patch);
  const width = Math.ceil(channels * patch * patch / 8) * 8;
  const out = new Float32Array(pictures * across * across * width);
  let row = 0;
  for (let p = 0; p < pictures; p++) {
    for (let y0 = 0; y0 < across; y0++) {
      for (let x0 = 0; x0 < across; x0++, row += width) {
        let to = row;
        for (let c = 0; c < channels; c++) {
          for (let y = 0; y < patch; y++, to += patch) {
            const from = ((p * channels + c) * side + y0 * patch + y) * side + x0 * patch;
            out.set(values.subarray(from, from + patch), to);
          }
        }
      }
    }
  }
  return out;
}
