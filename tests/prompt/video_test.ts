import fc from "fast-check";
import { PromptError, type VideoPlan } from "../../src/families/family.ts";
import { Media } from "../../src/prompt/media.ts";
import { PpmStream } from "../../src/prompt/ppm.ts";
import { selectExpression } from "../../src/prompt/video.ts";
import { sniffVideo } from "../../src/prompt/video_probe.ts";
import { framePixelLimits, sampleFrames } from "../../src/prompt/video_rule.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const FOLDER = new URL("../fixtures/media/videos/", import.meta.url);
const read = (name: string): Uint8Array => Deno.readFileSync(new URL(name, FOLDER));

/** 64×48 stays as it is: the frames' own grey values are seen. */
const PLAN: VideoPlan = {
  fps: null,
  nframes: null,
  defaultFps: 2,
  minFrames: 4,
  maxFrames: 768,
  frameFactor: 2,
  sizeFactor: 16,
  minPixels: 3072,
  maxPixels: 3072,
  totalPixels: null,
};

async function withMedia<T>(use: (media: Media) => Promise<T>, options = {}): Promise<T> {
  const media = new Media({ ffmpeg: { ffmpeg: "ffmpeg", ffprobe: "ffprobe" }, ...options });
  try {
    return await use(media);
  } finally {
    media.close();
  }
}

function hasFfmpeg(): boolean {
  try {
    return new Deno.Command("ffmpeg", { args: ["-version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

const ignore = !hasFfmpeg();

/** Numbers of the frames that were taken: frame n has the luma 16 + 4n (video range), so RGB ≈ 4.66 n. */
const numbers = (frames: { rgb: Uint8Array }[]): number[] =>
  frames.map(({ rgb }) =>
    Math.round(rgb.reduce((sum, value) => sum + value, 0) / rgb.length * 219 / 255 / 4)
  );

Deno.test({
  name:
    "video of the older families: frames at the file's size, cut-down places, repeats where there are too few",
  ignore,
  fn: () =>
    withMedia(async (media) => {
      const taken = async (plan: Partial<VideoPlan>) => {
        const own = { ...PLAN, spread: true, raw: true, frameFactor: 1, sizeFactor: 1, ...plan };
        const clip = await media.decodeVideo(read("plain.mp4"), own);
        const { width, height } = clip.frames[0];
        assertEquals([width, height, clip.fitted, clip.file], [64, 48, false, true]);
        return numbers(clip.frames);
      };
      assertEquals(await taken({ nframes: 8 }), [0, 6, 13, 20, 27, 34, 41, 48]);
      const many = await taken({ nframes: 60 });
      assertEquals([many.length, new Set(many).size, many[0], many[59]], [60, 49, 0, 48]);
      assertEquals(await taken({ fps: 1 }), [0, 10, 20, 30, 40]);
      await assertThrows(() => taken({ fps: 5, maxFrames: 16 }), /25 frames at fps 5: this model takes 16/);
    }),
});

Deno.test({
  name: "video: the frames of the rule are taken, from every container",
  ignore,
  fn: () =>
    withMedia(async (media) => {
      const taken = async (name: string, plan: Partial<VideoPlan> = {}) => {
        const clip = await media.decodeVideo(read(name), { ...PLAN, ...plan });
        assertEquals([clip.frames[0].width, clip.frames[0].height, clip.fitted, clip.audio], [
          64,
          48,
          true,
          null,
        ]);
        return numbers(clip.frames);
      };
      assertEquals(await taken("plain.mp4"), [0, 7, 14, 21, 27, 34, 41, 48]);
      assertEquals(await taken("plain.mp4", { fps: 1 }), [0, 16, 32, 48]);
      assertEquals(await taken("plain.mp4", { nframes: 2 }), [0, 48]);
      assertEquals(await taken("plain.mp4", { maxFrames: 5 }), [0, 16, 32, 48]);
      assertEquals(await taken("sound.mp4"), [0, 6, 13, 19]);
      assertEquals(await taken("small.avi"), [0, 5, 9, 14]);
      assertEquals((await taken("hidden.webm")).length, 4);
    }),
});

Deno.test({
  name: "video: hundreds of frames are taken from a long file",
  ignore,
  fn: () =>
    withMedia(async (media) => {
      const { frames } = await media.decodeVideo(read("long.mp4"), { ...PLAN, fps: 20 });
      assertEquals(frames.length, 400); // of 1,000 at 50 a second
      // Frame n is 16 + n mod 200 in video range.
      const levels = frames.map(({ rgb }) =>
        rgb.reduce((sum, value) => sum + value, 0) / rgb.length * 219 / 255
      );
      const want = Array.from({ length: 400 }, (_, i) => Math.round(i * 999 / 399) % 200);
      const worst = levels.reduce((most, level, i) => Math.max(most, Math.abs(level - want[i])), 0);
      assert(worst < 2, `off by ${worst}`);
    }),
});

Deno.test("select expression: true for the wanted frames only, and never deep", () => {
  const value = (expression: string, n: number): number => {
    const js = expression.replace(/if\(/g, "when(");
    return new Function("n", "eq", "lt", "when", `return ${js}`)(
      n,
      (a: number, b: number) => Number(a === b),
      (a: number, b: number) => Number(a < b),
      (test: number, a: number, b: number) => test ? a : b,
    );
  };
  const indices = [0, 3, 4, 9, 17, 40, 41];
  const expression = selectExpression(indices);
  assertEquals(Array.from({ length: 50 }, (_, n) => n).filter((n) => value(expression, n) === 1), indices);
  const many = selectExpression(Array.from({ length: 768 }, (_, i) => i * 3));
  let depth = 0, deepest = 0;
  for (const c of many) deepest = Math.max(deepest, depth += c === "(" ? 1 : c === ")" ? -1 : 0);
  assert(deepest < 16);
});

Deno.test({
  name: "video: the soundtrack is taken, left or demanded as asked",
  ignore,
  fn: () =>
    withMedia(async (media) => {
      const { audio, fps } = await media.decodeVideo(read("sound.mp4"), { ...PLAN, fps: 3 }, "required");
      assertEquals([audio?.sampleRate, fps], [22050, 3]);
      assert(Math.abs(audio!.samples.length / 22050 - 2) < 0.1);
      assertEquals((await media.decodeVideo(read("sound.mp4"), PLAN, "none")).audio, null);
      assertEquals((await media.decodeVideo(read("plain.mp4"), PLAN, "auto")).audio, null);
      const error = await assertThrows(
        () => media.decodeVideo(read("plain.mp4"), PLAN, "required"),
        /no soundtrack/,
      );
      assertEquals((error as PromptError).code, "video_has_no_audio");
      const sound = await media.decodeAudio(read("only-sound.mp4"));
      assertEquals(sound.sampleRate, 16000);
      assert(Math.abs(sound.samples.length - 8000) < 1200);
    }),
});

Deno.test({
  name: "video: frames are resized to the plan's size by the model's own bicubic",
  ignore,
  fn: () =>
    withMedia(async (media) => {
      const plan = { ...PLAN, sizeFactor: 32, minPixels: 96 * 128, maxPixels: 96 * 128 };
      const { frames } = await media.decodeVideo(read("plain.mp4"), plan);
      assertEquals([frames[0].width, frames[0].height, frames[0].rgb.length], [128, 96, 128 * 96 * 3]);
    }),
});

Deno.test({
  name: "video: caps, damage, wrong files and a missing ffmpeg have their codes, and nothing is left behind",
  ignore,
  fn: async () => {
    const temporary = () =>
      [...Deno.readDirSync(Deno.env.get("TMPDIR") ?? "/tmp")].filter(({ name }) =>
        name.startsWith("valley-media-")
      ).length;
    const before = temporary();
    const code = async (
      bytes: Uint8Array,
      plan: Partial<VideoPlan> = {},
      options = {},
      audio: "auto" | "none" = "none",
    ) => {
      try {
        await withMedia((media) => media.decodeVideo(bytes, { ...PLAN, ...plan }, audio), options);
        return "decoded";
      } catch (error) {
        assert(error instanceof PromptError, String(error));
        assert(!/0x[0-9a-f]{6}|\/tmp|valley-media|at .*\.ts/i.test(error.message), error.message);
        return error.code;
      }
    };
    const plain = read("plain.mp4");
    assertEquals(await code(plain, {}, { maxVideoSeconds: 4 }), "video_too_long");
    assertEquals(await code(plain, { nframes: 50 }), "too_few_frames");
    assertEquals(await code(read("sound.mp4"), {}, { maxAudioSeconds: 1 }, "auto"), "audio_too_long");
    assertEquals(await code(plain.slice(0, plain.length >> 1)), "corrupt_video");
    assertEquals(await code(plain.slice(0, 100)), "corrupt_video");
    assertEquals(await code(read("only-sound.mp4")), "corrupt_video");
    assertEquals(
      await code(new TextEncoder().encode("#EXTM3U\nfile:///etc/passwd\n".padEnd(64))),
      "unsupported_video",
    );
    assertEquals(await code(plain, {}, { ffmpeg: null }), "video_unavailable");
    assertEquals(
      await code(plain, {}, { ffmpeg: { ffmpeg: "ffmpeg", ffprobe: "no-such-command" } }),
      "video_unavailable",
    );
    assertEquals(await code(plain, {}, { videoDeadline: 0.001 }), "media_timeout");
    assertEquals(await code(plain, {}, { ffmpeg: { ffmpeg: "sleep", ffprobe: "yes" } }), "corrupt_video");
    assertEquals(temporary(), before);
  },
});

Deno.test("video rule: a frame's share of the total, not under 1.05 of the minimum", () => {
  const plan = { ...PLAN, minPixels: 128 * 1024, maxPixels: 768 * 1024, totalPixels: 230_400 * 1024 };
  assertEquals(framePixelLimits(plan, 300), { minPixels: 131072, maxPixels: 786432 });
  assertEquals(framePixelLimits(plan, 320).maxPixels, 720 * 1024);
  assertEquals(framePixelLimits(plan, 5000).maxPixels, 137625);
  assertEquals(framePixelLimits(PLAN, 5000), { minPixels: 3072, maxPixels: 3072 });
});

Deno.test("video rule: an even number of indices from first to last, none twice", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 5000 }),
      fc.double({ min: 1, max: 120, noNaN: true }),
      (total, fps) => {
        const indices = sampleFrames(total, fps, PLAN);
        assert(indices.length % 2 === 0 && indices.length <= 768);
        assertEquals([indices[0], indices.at(-1)], [0, total - 1]);
        assertEquals(new Set(indices).size, indices.length);
      },
    ),
    { numRuns: 500, seed: 12 },
  );
});

Deno.test("video rule of the older families: spread from first to last, cut down, repeated where there are too few", () => {
  const plan = { ...PLAN, spread: true, nframes: 8 };
  assertEquals(sampleFrames(100, 25, plan), [0, 14, 28, 42, 56, 70, 84, 99]);
  assertEquals(sampleFrames(3, 25, plan), [0, 0, 0, 0, 1, 1, 1, 2]);
  assertEquals(sampleFrames(100, 25, { ...plan, nframes: 1 }), [99]);
});

Deno.test("containers are told by magic bytes", () => {
  assertEquals(["plain.mp4", "hidden.webm", "small.avi"].map((name) => sniffVideo(read(name))), [
    "mov",
    "matroska",
    "avi",
  ]);
  for (const text of ["", "RIFF....WAVEfmt ", "#EXTM3U\n........", "concat:a|b......"]) {
    assertEquals(sniffVideo(new TextEncoder().encode(text)), null);
  }
});

Deno.test("PPM stream: frames come out whole however the bytes are cut", async () => {
  const header = (w: number, h: number) => [...new TextEncoder().encode(`P6\n${w} ${h}\n255\n`)];
  const pixels = (w: number, h: number, seed: number) =>
    Array.from({ length: w * h * 3 }, (_, i) => (i * 7 + seed) % 256);
  const bytes = Uint8Array.from([
    ...header(3, 2),
    ...pixels(3, 2, 1),
    ...header(1, 1),
    ...pixels(1, 1, 2),
    ...header(4, 4),
    ...pixels(4, 4, 3),
  ]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 })), (cuts) => {
      const frames: number[][] = [];
      const stream = new PpmStream(100, ({ width, height, rgb }) => frames.push([width, height, ...rgb]));
      let at = 0;
      for (const cut of cuts) stream.push(bytes.subarray(at, at += cut));
      stream.push(bytes.subarray(at));
      assertEquals(frames, [[3, 2, ...pixels(3, 2, 1)], [1, 1, ...pixels(1, 1, 2)], [
        4,
        4,
        ...pixels(4, 4, 3),
      ]]);
    }),
    { numRuns: 100, seed: 13 },
  );
  const push = (text: string) => new PpmStream(100, () => {}).push(new TextEncoder().encode(text));
  await assertThrows(() => push("P5\n1 1\n255\n".padEnd(100)), /not a PPM/);
  await assertThrows(() => push("P6\n11 10\n255\n"), /11×10/);
});
