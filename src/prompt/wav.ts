/**
 * WAV files: PCM of 8, 16, 24 and 32 bits, IEEE float of 32 and 64 bits, A-law and µ-law, plain or
 * WAVE_FORMAT_EXTENSIBLE.
 */

import type { Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { alaw, mulaw } from "./g711.ts";

const PCM = 1, FLOAT = 3, ALAW = 6, MULAW = 7, EXTENSIBLE = 0xFFFE;

/** Bits a sample that each encoding may have. */
const BITS: Record<number, number[]> = {
  [PCM]: [8, 16, 24, 32],
  [FLOAT]: [32, 64],
  [ALAW]: [8],
  [MULAW]: [8],
};

/** Sizes from here on stand for "not known yet". */
const STREAMED = 0x7FFFF000;

interface WavFormat {
  encoding: number;
  channels: number;
  sampleRate: number;
  bits: number;
}

/**
 * Mono mean of the channels, scaled as libsndfile does (an n-bit integer by 2^(1−n)). A `data` size of 0 or
 * near 2³¹ or 2³² (what streaming writers put) means all that is there. Throws PromptError.
 */
export function readWav(bytes: Uint8Array, maxSeconds: number): Wave {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let format: WavFormat | null = null;
  for (let at = 12; at + 8 <= bytes.length;) {
    const id = view.getUint32(at, false);
    const size = view.getUint32(at + 4, true);
    const body = at + 8;
    if (id === 0x666D7420) format = readFormat(view, body, size); // "fmt "
    if (id === 0x64617461) { // "data"
      if (format === null) throw corrupt();
      const rest = bytes.length - body;
      const open = size === 0 || size >= STREAMED;
      if (!open && size > rest) throw corrupt(); // cut off
      return readData(view, body, open ? rest : size, format, maxSeconds);
    }
    at = body + size + (size & 1);
  }
  throw corrupt();
}

function readFormat(view: DataView, at: number, size: number): WavFormat {
  if (size < 16 || at + size > view.byteLength) throw corrupt();
  let encoding = view.getUint16(at, true);
  const channels = view.getUint16(at + 2, true);
  const sampleRate = view.getUint32(at + 4, true);
  const bits = view.getUint16(at + 14, true);
  if (encoding === EXTENSIBLE && size >= 26) encoding = view.getUint16(at + 24, true);
  if (!BITS[encoding]?.includes(bits)) {
    throw new PromptError("The WAV file has an encoding that is not supported", "unsupported_audio");
  }
  if (channels < 1 || channels > 32 || sampleRate < 1000 || sampleRate > 768_000) throw corrupt();
  if (view.getUint16(at + 12, true) !== channels * bits / 8) throw corrupt(); // bytes of a frame
  return { encoding, channels, sampleRate, bits };
}

function readData(view: DataView, at: number, size: number, format: WavFormat, maxSeconds: number): Wave {
  const { encoding, channels, sampleRate, bits } = format;
  const width = bits / 8;
  const frames = Math.floor(size / (width * channels));
  if (frames > maxSeconds * sampleRate) {
    throw new PromptError(`The sound is longer than ${maxSeconds} seconds`, "audio_too_long");
  }
  const read = reader(view, encoding, bits);
  const samples = new Float32Array(frames);
  for (let i = 0; i < frames; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++, at += width) sum += read(at);
    samples[i] = sum / channels;
  }
  return { sampleRate, samples };
}

function reader(view: DataView, encoding: number, bits: number): (at: number) => number {
  if (encoding === FLOAT) {
    return bits === 32 ? (at) => view.getFloat32(at, true) : (at) => view.getFloat64(at, true);
  }
  if (encoding === ALAW) return (at) => alaw(view.getUint8(at)) / 32768;
  if (encoding === MULAW) return (at) => mulaw(view.getUint8(at)) / 32768;
  switch (bits) {
    case 8:
      return (at) => (view.getUint8(at) - 128) / 128;
    case 16:
      return (at) => view.getInt16(at, true) / 32768;
    case 24:
      return (at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 65536) / 8388608;
    default:
      return (at) => view.getInt32(at, true) / 2147483648;
  }
}

const corrupt = (): PromptError => new PromptError("The WAV file is damaged", "corrupt_audio");
