/** Fields of a protocol buffer (https://protobuf.dev/programming-guides/encoding), for the little that is read here. */

/** Field number and value: a varint or fixed number, or the bytes of a string or message. */
export type Field = [number: number, value: number | Uint8Array];

/** @throws Error where the message is cut off or of a kind that is not read */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; factor < 2 ** 70; factor *= 128) {
      if (at >= bytes.length) throw new Error("it is cut off");
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error("a number in it is too long");
  };
  const take = (length: number): number => {
    if (length > bytes.length - at) throw new Error("it is cut off");
    at += length;
    return at - length;
  };
  while (at < bytes.length) {
    const key = varint(), number = Math.floor(key / 8), kind = key % 8;
    if (kind === 0) yield [number, varint()];
    else if (kind === 1) yield [number, view.getFloat64(take(8), true)];
    else if (kind === 5) yield [number, view.getFloat32(take(4), true)];
    else if (kind === 2) {
      const length = varint(), start = take(length);
      yield [number, bytes.subarray(start, start + length)];
    } else throw new Error(`it has a field of kind ${kind}`);
  }
}
