import { PromptError } from "../../src/families/family.ts";
import { Media } from "../../src/prompt/media.ts";
import { MediaPool } from "../../src/prompt/media_pool.ts";
import { VALLEY3_IMAGE } from "../../src/prompt/pixels.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const IMAGES = new URL("../fixtures/media/images/", import.meta.url);
const picture = Deno.readFileSync(new URL("rgba8.png", IMAGES));
const PATCH = {
  patchSize: 16,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const LIMITS = { minPixels: 1024, maxPixels: 4096 };

/** A picture that takes a worker a good while: 30 MP of noise-free PNG through resize to full size. */
const slow = { width: 6000, height: 5000, rgb: new Uint8Array(new SharedArrayBuffer(90_000_000)) };

Deno.test("media: results of the workers are those of the functions, errors keep their codes", async () => {
  const media = new Media({ threads: 2 });
  try {
    const [raster, again] = await Promise.all([media.decodeImage(picture), media.decodeImage(picture)]);
    assertEquals([raster.width, raster.height], [24, 17]);
    assertEquals([...raster.rgb], [...again.rgb]);
    const feature = await media.imageFeature(raster, LIMITS, PATCH);
    assertEquals([feature.shape, feature.tokens, feature.data.length], [[1, 2, 2], 1, 4 * 1536]);
    assertEquals((await media.imageFeature(again, LIMITS, PATCH)).digest, feature.digest);
    const error = await assertThrows(() => media.decodeImage(picture.slice(0, 60)), /damaged or truncated/);
    assert(error instanceof PromptError);
    assertEquals([error.code, error.param], ["corrupt_image", "messages"]);
  } finally {
    media.close();
  }
});

Deno.test("media: what a worker did not expect is told without its words", async () => {
  const media = new Media();
  try {
    const broken = { width: 10, height: 10, rgb: null as unknown as Uint8Array };
    const error = await assertThrows(() => media.imageFeature(broken, LIMITS, PATCH), /cannot be processed/);
    assertEquals((error as PromptError).code, "media_failed");
  } finally {
    media.close();
  }
});

Deno.test("media: a job past its deadline ends with its worker, the next one runs", async () => {
  const pool = new MediaPool({ threads: 1, run: [] });
  try {
    const job = { image: slow, limits: { minPixels: 1, maxPixels: 40_000_000 }, patch: PATCH };
    const late = pool.run("imageFeature", job, 1);
    const next = pool.run("decodeImage", { bytes: picture, options: VALLEY3_IMAGE }, 30_000);
    const error = await assertThrows(() => late, /longer than 0.001 seconds/);
    assertEquals((error as PromptError).code, "media_timeout");
    assertEquals((await next).width, 24);
  } finally {
    pool.close();
  }
});

Deno.test("media: an aborted job is given up, before and while it runs", async () => {
  const pool = new MediaPool({ threads: 1, run: [] });
  try {
    const job = { image: slow, limits: { minPixels: 1, maxPixels: 40_000_000 }, patch: PATCH };
    const abort = new AbortController();
    const running = pool.run("imageFeature", job, 60_000, abort.signal);
    const waiting = pool.run("imageFeature", job, 60_000, abort.signal);
    const other = pool.run("decodeImage", { bytes: picture, options: VALLEY3_IMAGE }, 30_000);
    abort.abort(new Error("gone"));
    await assertThrows(() => running, /gone/);
    await assertThrows(() => waiting, /gone/);
    assertEquals((await other).height, 17);
    await assertThrows(() => pool.run("imageFeature", job, 60_000, abort.signal), /gone/);
  } finally {
    pool.close();
  }
});

Deno.test("media: closing rejects what is running and waiting", async () => {
  const pool = new MediaPool({ threads: 1, run: [] });
  const job = { image: slow, limits: { minPixels: 1, maxPixels: 40_000_000 }, patch: PATCH };
  const all = [pool.run("imageFeature", job, 60_000), pool.run("imageFeature", job, 60_000)];
  const rejected = Promise.allSettled(all);
  pool.close();
  for (const { status } of await rejected) assertEquals(status, "rejected");
  await assertThrows(() => pool.run("imageFeature", job, 60_000), /closed/);
});

Deno.test("media: the worker has no permission of its own", async () => {
  const media = new Media();
  try {
    const sound = Deno.readFileSync(new URL("../sounds/s.mp3", IMAGES));
    assertEquals((await media.decodeAudio(sound)).sampleRate, 24000); // codecs load without any
    const webm = Deno.readFileSync(new URL("../sounds/s.webm", IMAGES));
    const error = await assertThrows(() => media.decodeAudio(webm), /no ffmpeg/);
    assertEquals((error as PromptError).code, "unsupported_audio");
  } finally {
    media.close();
  }
});
