/**
 * Log-mel spectrogram as Whisper's and Qwen's feature extractors make it (VALLEY3.md "Sound"), in float64:
 * n_fft 400, hop 160, centred frames over reflected edges, periodic Hann window, power spectrum, Slaney mel scale
 * 0–8000 Hz with Slaney norm, log10 floored at 1e-10, last frame dropped, clamped to (maximum − 8), (x + 4)/4.
 */

import { Fft } from "./fft.ts";

export const MEL_SAMPLE_RATE = 16000;
const N_FFT = 400, HOP = 160, BINS = N_FFT / 2 + 1;

export interface MelSpectrogram {
  /** [bins, frames], row-major. */
  data: Float32Array;
  bins: number;
  frames: number;
}

/** Frames that a sound will have after resampling. */
export const melFrames = ({ sampleRate, samples }: { sampleRate: number; samples: Float32Array }): number =>
  Math.floor(Math.ceil(samples.length * MEL_SAMPLE_RATE / sampleRate) / HOP);

/** `samples`: mono at 16 kHz. Gives ⌊samples/160⌋ frames. */
export function logMel(samples: Float32Array, melBins: number): MelSpectrogram {
  const frames = Math.floor(samples.length / HOP);
  const filters = melFilters(melBins);
  const window = Float64Array.from(
    { length: N_FFT },
    (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / N_FFT),
  );
  const fft = new Fft(N_FFT);
  const re = new Float64Array(N_FFT), im = new Float64Array(N_FFT);
  const power = new Float64Array(BINS);
  const log = new Float64Array(melBins * frames);
  let maximum = -Infinity;

  const fill = (target: Float64Array, frame: number): void => {
    const start = frame * HOP - N_FFT / 2;
    for (let i = 0; i < N_FFT; i++) target[i] = window[i] * samples[reflected(start + i, samples.length)];
  };
  const mel = (frame: number): void => {
    for (let bin = 0; bin < melBins; bin++) {
      const { first, weights } = filters[bin];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * power[first + k];
      const value = Math.log10(Math.max(sum, 1e-10));
      log[bin * frames + frame] = value;
      if (value > maximum) maximum = value;
    }
  };
  // Two real frames are the real and imaginary parts of one complex transform.
  for (let frame = 0; frame < frames; frame += 2) {
    const second = frame + 1 < frames;
    fill(re, frame);
    if (second) fill(im, frame + 1);
    else im.fill(0);
    fft.transform(re, im);
    for (const odd of second ? [0, 1] : [0]) {
      for (let k = 0; k < BINS; k++) {
        const j = (N_FFT - k) % N_FFT;
        const a = odd === 0 ? re[k] + re[j] : im[k] + im[j];
        const b = odd === 0 ? im[k] - im[j] : re[j] - re[k];
        power[k] = (a * a + b * b) / 4;
      }
      mel(frame + odd);
    }
  }
  const data = new Float32Array(log.length);
  for (let i = 0; i < log.length; i++) data[i] = (Math.max(log[i], maximum - 8) + 4) / 4;
  return { data, bins: melBins, frames };
}

/** Index mirrored at both ends without repeating the edge (numpy's "reflect"). */
function reflected(index: number, length: number): number {
  if (index >= 0 && index < length) return index;
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((index % period) + period) % period;
  return at < length ? at : period - at;
}

/** Triangles on the Slaney mel scale, each with area 1; only the part that is not zero. */
function melFilters(melBins: number): { first: number; weights: Float64Array }[] {
  const low = hertzToMel(0), high = hertzToMel(MEL_SAMPLE_RATE / 2);
  const edges = Array.from(
    { length: melBins + 2 },
    (_, i) => melToHertz(low + (high - low) * i / (melBins + 1)),
  );
  return Array.from({ length: melBins }, (_, bin) => {
    const [left, centre, right] = [edges[bin], edges[bin + 1], edges[bin + 2]];
    const norm = 2 / (right - left);
    const all = Array.from({ length: BINS }, (_, k) => {
      const hertz = k * MEL_SAMPLE_RATE / N_FFT;
      return norm *
        Math.max(0, Math.min((hertz - left) / (centre - left), (right - hertz) / (right - centre)));
    });
    const first = Math.max(0, all.findIndex((weight) => weight > 0));
    const last = all.findLastIndex((weight) => weight > 0);
    return { first, weights: Float64Array.from(all.slice(first, last + 1)) };
  });
}

// Slaney: linear to 1000 Hz (3 mel for 200 Hz), then logarithmic, 27 mel for a factor of 6.4.
const LOG_STEP = Math.log(6.4) / 27;
const hertzToMel = (hertz: number): number =>
  hertz < 1000 ? hertz * 3 / 200 : 15 + Math.log(hertz / 1000) / LOG_STEP;
const melToHertz = (mel: number): number => mel < 15 ? mel * 200 / 3 : 1000 * Math.exp((mel - 15) * LOG_STEP);
