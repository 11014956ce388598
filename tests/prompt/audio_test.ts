import fc from "fast-check";
import { PromptError, type Wave } from "../../src/families/family.ts";
import { decodeAudio } from "../../src/prompt/audio.ts";
import { sniffAudio } from "../../src/prompt/audio_probe.ts";
import { audioFeature } from "../../src/prompt/features.ts";
import { Fft } from "../../src/prompt/fft.ts";
import { logMel } from "../../src/prompt/mel.ts";
import { resample, resampleKernel, resampleTaps } from "../../src/prompt/resample.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const FOLDER = new URL("../fixtures/media/sounds/", import.meta.url);
const read = (name: string): Uint8Array => Deno.readFileSync(new URL(name, FOLDER));

async function decode(bytes: Uint8Array, maxSeconds = 600): Promise<Wave> {
  const format = sniffAudio(bytes);
  assert(format !== null && format !== "mov" && format !== "matroska", `format ${format}`);
  return await decodeAudio(bytes, format, maxSeconds);
}

async function outcome(bytes: Uint8Array, maxSeconds = 600): Promise<string | null> {
  if (sniffAudio(bytes) === null) return "unsupported_audio";
  try {
    await decode(bytes, maxSeconds);
    return "decoded";
  } catch (error) {
    assert(error instanceof PromptError, String(error));
    assert(!/0x[0-9a-f]{6}|\/|at .*\.ts|wasm/i.test(error.message), error.message);
    return error.code;
  }
}

interface WavOptions {
  encoding?: number;
  bits?: number;
  channels?: number;
  rate?: number;
  /** What the header says instead of the true size of the data. */
  size?: number;
  extensible?: boolean;
}

/** A WAV file; `write` puts sample `index` at an offset. */
function wav(
  count: number,
  write: (view: DataView, at: number, index: number) => void,
  options: WavOptions = {},
): Uint8Array {
  const { encoding = 1, bits = 16, channels = 1, rate = 16000, extensible = false } = options;
  const width = bits / 8, formatSize = extensible ? 40 : 16;
  const bytes = new Uint8Array(20 + formatSize + 8 + count * width);
  const view = new DataView(bytes.buffer);
  const ascii = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at);
  ascii(0, "RIFF"), view.setUint32(4, bytes.length - 8, true), ascii(8, "WAVEfmt ");
  view.setUint32(16, formatSize, true);
  view.setUint16(20, extensible ? 0xFFFE : encoding, true), view.setUint16(22, channels, true);
  view.setUint32(24, rate, true), view.setUint32(28, rate * channels * width, true);
  view.setUint16(32, channels * width, true), view.setUint16(34, bits, true);
  if (extensible) view.setUint16(36, 22, true), view.setUint16(44, encoding, true);
  const at = 20 + formatSize;
  ascii(at, "data"), view.setUint32(at + 4, options.size ?? count * width, true);
  for (let i = 0; i < count; i++) write(view, at + 8 + i * width, i);
  return bytes;
}

Deno.test("WAV: every encoding is scaled as libsndfile does", async () => {
  const cases: [WavOptions, (view: DataView, at: number) => void, number][] = [
    [{ bits: 8 }, (view, at) => view.setUint8(at, 0), -1],
    [{ bits: 16 }, (view, at) => view.setInt16(at, -16384, true), -0.5],
    [
      { bits: 24 },
      (view, at) => (view.setUint8(at, 0), view.setUint8(at + 1, 0), view.setInt8(at + 2, -64)),
      -0.5,
    ],
    [{ bits: 32 }, (view, at) => view.setInt32(at, 2 ** 30, true), 0.5],
    [{ bits: 32, encoding: 3 }, (view, at) => view.setFloat32(at, 0.25, true), 0.25],
    [{ bits: 64, encoding: 3 }, (view, at) => view.setFloat64(at, -0.125, true), -0.125],
    [{ bits: 16, extensible: true }, (view, at) => view.setInt16(at, 8192, true), 0.25],
  ];
  for (const [options, write, want] of cases) {
    assertEquals(
      [...(await decode(wav(3, write, options))).samples],
      [want, want, want],
      JSON.stringify(options),
    );
  }
  const stereo = await decode(
    wav(4, (view, at, i) => view.setInt16(at, [100, 300, -2, 4][i], true), { channels: 2 }),
  );
  assertEquals([...stereo.samples], [200 / 32768, 1 / 32768]);
  assertEquals(stereo.sampleRate, 16000);
});

Deno.test("WAV: telephone encodings by G.711's own figures", async () => {
  const decoded = async (encoding: number, codes: number[]) => {
    const bytes = wav(codes.length, (view, at, i) => view.setUint8(at, codes[i]), {
      encoding,
      bits: 8,
      rate: 8000,
    });
    return [...(await decode(bytes)).samples].map((sample) => sample * 32768);
  };
  assertEquals(await decoded(7, [0x00, 0x80, 0xFF, 0x7F, 0x8F, 0xF0]), [-32124, 32124, 0, 0, 16764, 120]);
  assertEquals(await decoded(6, [0xD5, 0x55, 0x2A, 0xAA, 0x80, 0xC5]), [8, -8, -32256, 32256, 5504, 264]);
});

Deno.test("WAV: sizes of streams are open, other lies and cuts are refused", async () => {
  const write = (view: DataView, at: number, i: number) => view.setInt16(at, i, true);
  for (const size of [0, 0xFFFFFFFF, 0x7FFFFFFF]) {
    assertEquals((await decode(wav(50, write, { size }))).samples.length, 50);
  }
  assertEquals(await outcome(wav(50, write, { size: 102 })), "corrupt_audio");
  assertEquals(await outcome(wav(50, write, { size: 1_000_000_000 })), "corrupt_audio");
  assertEquals((await decode(wav(50, write, { size: 20 }))).samples.length, 10);
  assertEquals(await outcome(wav(50, write, { channels: 0 })), "corrupt_audio");
  assertEquals(await outcome(wav(50, write, { rate: 0 })), "corrupt_audio");
  assertEquals(await outcome(wav(50, () => {}, { encoding: 17, bits: 8 })), "unsupported_audio");
  assertEquals(await outcome(wav(0, write)), "corrupt_audio");
  assertEquals(
    await outcome(wav(4, (view, at) => view.setFloat32(at, NaN, true), { bits: 32, encoding: 3 })),
    "corrupt_audio",
  );
  const frame = wav(50, write);
  new DataView(frame.buffer).setUint16(32, 7, true); // bytes of a frame
  assertEquals(await outcome(frame), "corrupt_audio");
});

Deno.test("compressed formats give the tone that was encoded", async () => {
  for (const name of ["s.mp3", "s.flac", "s.ogg", "s.opus"]) {
    const { samples, sampleRate } = await decode(read(name));
    const at16k = resample(samples, sampleRate, 16000);
    assert(Math.abs(at16k.length - 6400) <= 700, `${name}: ${at16k.length} samples`);
    let re = 0, im = 0; // 600 Hz over eight periods and more, away from the ends
    for (let i = 0; i < 3200; i++) {
      re += at16k[i + 1600] * Math.cos(2 * Math.PI * 600 * i / 16000);
      im += at16k[i + 1600] * Math.sin(2 * Math.PI * 600 * i / 16000);
    }
    const amplitude = Math.hypot(re, im) / 1600;
    assert(Math.abs(amplitude - 0.125) < 0.008, `${name}: ${amplitude}`); // ffmpeg's sine
  }
});

Deno.test("truncated and damaged sounds are refused or shorter, never anything else", async () => {
  const known = ["decoded", "corrupt_audio", "unsupported_audio", "audio_too_long"];
  let seed = 5;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  for (const name of ["s.mp3", "s.flac", "s.ogg", "s.opus"]) {
    const bytes = read(name);
    for (let tenth = 0; tenth < 10; tenth++) {
      const code = await outcome(bytes.slice(0, Math.floor(bytes.length * tenth / 10)));
      assert(known.includes(code!), `${name} at ${tenth}/10: ${code}`);
      if (name === "s.flac") assert(code !== "decoded", `FLAC declares its length, ${tenth}/10`);
    }
    for (let round = 0; round < 15; round++) {
      const damaged = bytes.slice();
      for (let i = 0; i < 4; i++) damaged[random(bytes.length)] = random(256);
      const code = await outcome(damaged);
      assert(known.includes(code!), `${name}: ${code}`);
    }
  }
});

Deno.test("too long is told from the header, or as soon as decoding shows it", async () => {
  const second = wav(16000, () => {});
  assertEquals(await outcome(second, 1), "decoded");
  assertEquals(await outcome(second, 0.999), "audio_too_long");
  for (const name of ["s.mp3", "s.flac", "s.ogg", "s.opus"]) {
    assertEquals(await outcome(read(name), 0.1), "audio_too_long", name);
  }
});

Deno.test("formats are told by magic bytes", () => {
  assertEquals(
    ["s.mp3", "s.flac", "s.ogg", "s.opus", "s.m4a", "s.webm"].map((name) => sniffAudio(read(name))),
    [
      "mp3",
      "flac",
      "vorbis",
      "opus",
      "mov",
      "matroska",
    ],
  );
  const head = (...bytes: number[]) => Uint8Array.from([...bytes, ...new Uint8Array(64)]);
  assertEquals(sniffAudio(head(0xFF, 0xFB, 0x90, 0x64)), "mp3");
  for (const none of [[], [0xFF, 0xD8, 0xFF, 0xE0], [0xFF, 0xF1, 0x50, 0x80], [0x49, 0x44, 0x34]]) {
    assertEquals(sniffAudio(head(...none)), null);
  }
});

Deno.test("FFT: the transform of any length is the naive sum", () => {
  for (const length of [1, 2, 3, 4, 5, 7, 8, 12, 30, 49, 400, 441]) {
    const re = Float64Array.from({ length }, (_, i) => Math.sin(i * i + 1));
    const im = Float64Array.from({ length }, (_, i) => Math.cos(3 * i));
    const [gotRe, gotIm] = [re.slice(), im.slice()];
    new Fft(length).transform(gotRe, gotIm);
    let worst = 0;
    for (let k = 0; k < length; k++) {
      let a = 0, b = 0;
      for (let j = 0; j < length; j++) {
        const angle = -2 * Math.PI * (j * k % length) / length;
        a += re[j] * Math.cos(angle) - im[j] * Math.sin(angle);
        b += re[j] * Math.sin(angle) + im[j] * Math.cos(angle);
      }
      worst = Math.max(worst, Math.abs(a - gotRe[k]), Math.abs(b - gotIm[k]));
    }
    assert(worst < 1e-10 * Math.max(1, length), `length ${length}: ${worst}`);
  }
});

Deno.test("log-mel: frames, silence, scale; short sounds reflect more than once", () => {
  assertEquals([159, 160, 319, 320, 16000].map((n) => logMel(new Float32Array(n), 128).frames), [
    0,
    1,
    1,
    2,
    100,
  ]);
  assertEquals(new Set(logMel(new Float32Array(1600), 128).data), new Set([-1.5])); // log10(1e-10) + 4, over 4
  const tone = Float32Array.from({ length: 16000 }, (_, i) => 0.5 * Math.sin(2 * Math.PI * 1000 * i / 16000));
  const { data, frames } = logMel(tone, 128);
  const middle = Array.from({ length: 128 }, (_, bin) => data[bin * frames + 50]);
  const loudest = middle.indexOf(Math.max(...middle));
  assert(loudest > 35 && loudest < 50, `1 kHz in bin ${loudest}`);
  const louder = logMel(tone.map((sample) => sample * 10), 128).data[loudest * frames + 50];
  assert(Math.abs(louder - middle[loudest] - 0.5) < 1e-5); // 20 dB are 2 in log10 of power, 0.5 after the scale
  assert(logMel(tone.subarray(0, 161), 128).data.every(Number.isFinite));
});

Deno.test("resample: lengths by the ceiling rule, the last sample 0 under a half", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3000 }),
      fc.constantFrom(8000, 11025, 22050, 32000, 44100, 48000, 44056),
      (n, rate) => {
        const out = resample(new Float32Array(n).fill(1), rate, 16000);
        const exact = n * 16000 / rate;
        assertEquals(out.length, Math.ceil(exact));
        const fraction = exact - Math.floor(exact);
        if (fraction > 0 && fraction < 0.5) assertEquals(out.at(-1), 0);
        else assert(out.at(-1)! > 0);
      },
    ),
    { numRuns: 60, seed: 11 },
  );
});

Deno.test("resample: by blocks and tap by tap are the same filter", () => {
  for (const [rate, up, down] of [[8000, 2, 1], [44100, 160, 441], [48000, 1, 3], [22050, 320, 441]]) {
    const samples = Float32Array.from({ length: 60_000 }, (_, i) => Math.sin(i * i / 9e3) + Math.sin(i) / 2);
    const blocks = resample(samples, rate, 16000);
    const taps = new Float32Array(Math.floor(60_000 * up / down));
    resampleTaps(samples, taps, { up, down }, resampleKernel(rate, 16000));
    const worst = taps.reduce((most, value, i) => Math.max(most, Math.abs(value - blocks[i])), 0);
    assert(worst < 1e-5, `${rate}: ${worst}`);
  }
});

Deno.test("resample: tones under the cut keep their amplitude, tones over it vanish", () => {
  for (const rate of [8000, 22050, 44100, 48000, 44056]) {
    const amplitude = (hertz: number) => {
      const tone = Float32Array.from({ length: rate }, (_, i) => Math.sin(2 * Math.PI * hertz * i / rate));
      return resample(tone, rate, 16000).slice(4000, 12000).reduce(
        (most, value) => Math.max(most, Math.abs(value)),
        0,
      );
    };
    assert(Math.abs(amplitude(1000) - 1) < 2e-3, `1 kHz at ${rate}`);
    if (rate > 16000) assert(amplitude(8400) < 1e-5, `8.4 kHz at ${rate}: ${amplitude(8400)}`);
  }
  const same = new Float32Array(9);
  assert(resample(same, 16000, 16000) === same);
});

Deno.test("a sound's feature: shape, tokens, digest by content; too short is refused", async () => {
  const samples = Float32Array.from({ length: 16100 }, (_, i) => Math.sin(i / 9));
  const feature = audioFeature({ sampleRate: 16000, samples }, 128);
  assertEquals([feature.kind, feature.shape, feature.tokens, feature.data.length], [
    "audio",
    [128, 100],
    13,
    12800,
  ]);
  assert(/^[0-9a-f]{64}$/.test(feature.digest));
  assertEquals(audioFeature({ sampleRate: 16000, samples: samples.slice() }, 128).digest, feature.digest);
  samples[8000] += 0.1;
  assert(audioFeature({ sampleRate: 16000, samples }, 128).digest !== feature.digest);
  const short = await assertThrows(
    () => audioFeature({ sampleRate: 16000, samples: samples.slice(0, 159) }, 128),
    /shorter/,
  );
  assertEquals((short as PromptError).code, "audio_too_short");
});
