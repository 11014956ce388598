/**
 * A sound file → mono samples. The format is told by magic bytes; WAV is read by own code, MP3, FLAC and Ogg (Opus,
 * Vorbis) by the wasm codecs of @audio/decode-*, fed piece by piece and stopped at the length cap. M4A and WebM go
 * through ffmpeg (soundtrack.ts): the umbrella package audio-decode reads them too, but only with a GPL-2.0 AAC
 * decoder, which this Apache-2.0 program must not contain.
 */

import type { Wave } from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import { declaredSeconds, type StreamFormat } from "./audio_probe.ts";
import { readWav } from "./wav.ts";

/** Bytes given to a decoder at a time: what one piece can unpack to stays small, even in a file made to burst. */
const PIECE = 2048;

interface Decoded {
  channelData: Float32Array[];
  sampleRate: number;
  samplesDecoded?: number;
}

interface Codec {
  decode(piece: Uint8Array): Decoded | Promise<Decoded>;
  flush?(): Decoded | Promise<Decoded>;
  free?(): void;
}

const CODECS: Record<Exclude<StreamFormat, "wav">, () => Promise<{ decoder: unknown }>> = {
  mp3: () => import("@audio/decode-mp3"),
  flac: () => import("@audio/decode-flac"),
  opus: () => import("@audio/decode-opus"),
  vorbis: () => import("@audio/decode-vorbis"),
};

/** Throws PromptError: `corrupt_audio`, `audio_too_long`. */
export async function decodeAudio(
  bytes: Uint8Array,
  format: StreamFormat,
  maxSeconds: number,
): Promise<Wave> {
  try {
    if (format === "wav") return checked(readWav(bytes, maxSeconds));
    const declared = declaredSeconds(bytes, format);
    if (declared !== null && declared > maxSeconds) throw tooLong(maxSeconds);
    const wave = checked(await decodePieces(bytes, format, maxSeconds));
    if (
      format === "flac" && declared !== null &&
      wave.samples.length < Math.floor(declared * wave.sampleRate) - 1
    ) {
      throw corrupt(); // cut off
    }
    return wave;
  } catch (error) {
    if (error instanceof PromptError) throw error;
    throw corrupt();
  }
}

async function decodePieces(
  bytes: Uint8Array,
  format: Exclude<StreamFormat, "wav">,
  maxSeconds: number,
): Promise<Wave> {
  const codec = await ((await CODECS[format]()).decoder as () => Promise<Codec>)();
  const parts: Float32Array[] = [];
  let sampleRate = 0, length = 0;
  const take = ({ channelData, sampleRate: rate, samplesDecoded }: Decoded): void => {
    if (channelData.length === 0 || channelData[0].length === 0) return;
    if (sampleRate !== 0 && rate !== sampleRate) throw corrupt();
    sampleRate = rate;
    const part = mono(channelData, samplesDecoded ?? channelData[0].length);
    length += part.length;
    if (length > maxSeconds * sampleRate) throw tooLong(maxSeconds);
    parts.push(part);
  };
  try {
    for (let at = 0; at < bytes.length; at += PIECE) take(await codec.decode(bytes.slice(at, at + PIECE)));
    if (codec.flush !== undefined) take(await codec.flush());
  } finally {
    codec.free?.();
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
function mono(channels: Float32Array[], length: number): Float32Array {
  if (channels.length === 1) return channels[0].slice(0, length);
  const out = new Float32Array(Math.min(length, channels[0].length));
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
