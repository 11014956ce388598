/**
 * Any supported sound file → mono samples. The format is told by magic bytes; WAV is read by own code, MP3, FLAC,
 * Ogg (Opus, Vorbis), M4A and WebM by audio-decode's wasm codecs, fed piece by piece and stopped at the length cap.
 */

import decoders from "audio-decode";
import type { Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { type AudioFormat, declaredSeconds, sniffAudio } from "./audio_probe.ts";
import { readWav } from "./wav.ts";

/** Bytes given to a decoder at a time: what a piece can unpack to stays small. */
const PIECE = 16_384;

interface Decoded {
  channelData: Float32Array[];
  sampleRate: number;
}

interface StreamDecoder {
  (piece?: Uint8Array): Promise<Decoded>;
  free(): void;
}

/** Throws PromptError: `unsupported_audio`, `corrupt_audio`, `audio_too_long`. */
export async function decodeAudio(bytes: Uint8Array, maxSeconds: number): Promise<Wave> {
  const format = sniffAudio(bytes);
  if (format === null) {
    throw new PromptError(
      "The sound cannot be read: a format other than WAV, MP3, FLAC, Ogg, M4A and WebM is not supported",
      "unsupported_audio",
    );
  }
  try {
    if (format === "wav") return checked(readWav(bytes, maxSeconds));
    const declared = declaredSeconds(bytes, format);
    if (declared !== null && declared > maxSeconds) throw tooLong(maxSeconds);
    return checked(await decodePieces(bytes, format, maxSeconds));
  } catch (error) {
    if (error instanceof PromptError) throw error;
    throw corrupt();
  }
}

async function decodePieces(bytes: Uint8Array, format: AudioFormat, maxSeconds: number): Promise<Wave> {
  const decoder = await (decoders as unknown as Record<string, () => Promise<StreamDecoder>>)[format]();
  const parts: Float32Array[] = [];
  let sampleRate = 0, length = 0;
  const take = ({ channelData, sampleRate: rate }: Decoded): void => {
    if (channelData.length === 0) return;
    if (sampleRate !== 0 && rate !== sampleRate) throw corrupt();
    sampleRate = rate;
    const part = mono(channelData);
    length += part.length;
    if (length > maxSeconds * sampleRate) throw tooLong(maxSeconds);
    parts.push(part);
  };
  try {
    // Containers whose index may stand at the end are read as a whole; their length was checked above.
    const piece = format === "mp4" || format === "webm" ? bytes.length : PIECE;
    for (let at = 0; at < bytes.length; at += piece) take(await decoder(bytes.slice(at, at + piece)));
    take(await decoder());
  } finally {
    decoder.free();
  }
  const samples = new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return { sampleRate, samples };
}

/** Mean of the channels. */
function mono(channels: Float32Array[]): Float32Array {
  if (channels.length === 1) return channels[0].slice();
  const out = new Float32Array(channels[0].length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const channel of channels) sum += channel[i];
    out[i] = sum / channels.length;
  }
  return out;
}

function checked(wave: Wave): Wave {
  if (wave.samples.length === 0 || wave.sampleRate < 1000) throw corrupt();
  for (const sample of wave.samples) if (!(Math.abs(sample) < 1e6)) throw corrupt(); // NaN, infinite
  return wave;
}

const corrupt = (): PromptError => new PromptError("The sound is damaged or empty", "corrupt_audio");
const tooLong = (seconds: number): PromptError =>
  new PromptError(`The sound is longer than ${seconds} seconds`, "audio_too_long");
