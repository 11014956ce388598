/** EXIF: the one field that matters here. */

/** Orientation 1 … 8 of a TIFF-structured EXIF block (without the "Exif\0\0" prefix); 1 where it is not given. */
export function exifOrientation(block: Uint8Array): number {
  if (block.length < 8) return 1;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const little = view.getUint16(0) === 0x4949;
  if (!little && view.getUint16(0) !== 0x4D4D) return 1;
  if (view.getUint16(2, little) !== 42) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > block.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + i * 12;
    if (at + 12 > block.length) return 1;
    if (view.getUint16(at, little) !== 0x0112) continue;
    const value = view.getUint16(at + 2, little) === 4
      ? view.getUint32(at + 8, little)
      : view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
