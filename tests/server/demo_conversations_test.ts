/**
 * The conversations of the official README and of a vLLM script, on the demo model through its real media path: one
 * picture, several, a video, a sound, a video with its sound. What was used is read from `usage`.
 */

import { loadPrompt } from "../../src/families/registry_prompt.ts";
import { Media } from "../../src/prompt/media.ts";
import { which } from "../../tools/setup/probe.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { startServer } from "../support/server_harness.ts";

const DEMO = new URL("../../weights/demo", import.meta.url).pathname;
const file = (path: string, type: string) =>
  `data:${type};base64,${Deno.readFileSync(new URL(`../../${path}`, import.meta.url)).toBase64()}`;
const SHAPES = file("examples/shapes.png", "image/png"),
  PRODUCT = file("web/samples/product.png", "image/png");
const SPEECH = file("web/samples/speech.wav", "audio/wav");
const MUTE = file("tests/fixtures/media/videos/plain.mp4", "video/mp4");
const LOUD = file("tests/fixtures/media/videos/sound.mp4", "video/mp4");

type Part = Record<string, unknown>;
const text = (words: string): Part => ({ type: "text", text: words });

Deno.test("conversations of the official demos and of a vLLM script", async (t) => {
  const ffmpeg = which("ffmpeg"), ffprobe = which("ffprobe");
  const media = new Media({ ffmpeg: ffmpeg && ffprobe ? { ffmpeg, ffprobe } : null });
  const { prompt, card } = await loadPrompt(DEMO, media);
  const server = await startServer({
    other: {
      url: new URL("../../src/worker.ts", import.meta.url),
      request: { engine: "gpu", folder: DEMO, model: {} },
      prompt,
      card,
    },
    decoder: media,
  });
  const ask = async (content: Part[], extra: Part = {}) => {
    const response = await server.chat({ messages: [{ role: "user", content }], max_tokens: 24, ...extra });
    const { choices, usage, error } = await response.json();
    if (response.status !== 200) return { status: response.status, code: error.code, answer: "", used: [] };
    const { image_tokens, video_tokens, audio_tokens } = usage.prompt_tokens_details;
    return {
      status: 200,
      code: null,
      answer: choices[0].message.content as string,
      used: [image_tokens, video_tokens, audio_tokens].map((tokens) => tokens > 0),
    };
  };
  try {
    await t.step("a picture, in the forms of OpenAI and of transformers", async () => {
      const question = text("What colour is the circle?");
      const openai = await ask([{ type: "image_url", image_url: { url: SHAPES } }, question]);
      assertEquals([openai.answer, openai.used], ["The circle is red.", [true, false, false]]);
      assertEquals(await ask([{ type: "image", image: SHAPES }, question]), openai);
    });
    await t.step("several pictures", async () => {
      const { status, answer, used } = await ask([
        { type: "image", image: SHAPES },
        { type: "image", image: PRODUCT },
        text("What is in the second picture?"),
      ]);
      assertEquals([status, used, answer !== ""], [200, [true, false, false], true]);
    });
    await t.step("a sound", async () => {
      const whole = await ask([{ type: "audio", audio: SPEECH }, text("What is said?")]);
      assertEquals([whole.status, whole.used], [200, [false, false, true]]);
      const data = SPEECH.slice(SPEECH.indexOf(",") + 1);
      const openai = await ask([
        { type: "input_audio", input_audio: { data, format: "wav" } },
        text("What is said?"),
      ]);
      assertEquals(openai, whole);
    });
    if (ffmpeg === null || ffprobe === null) {
      console.log("skipped: videos (no ffmpeg here)");
      return;
    }
    await t.step("a video: its sound is used or refused, never dropped", async () => {
      const asked = (url: string, use: unknown) =>
        ask([{ type: "video_url", video_url: { url } }, text("What happens?")], {
          mm_processor_kwargs: { use_audio_in_video: use, max_frames: 4 },
        });
      assertEquals((await asked(LOUD, true)).used, [false, true, true]);
      assertEquals((await asked(LOUD, false)).used, [false, true, false]);
      assertEquals((await asked(LOUD, undefined)).used, [false, true, true]);
      assertEquals((await asked(MUTE, undefined)).used, [false, true, false]);
      const { status, code } = await asked(MUTE, true);
      assertEquals([status, code], [400, "video_has_no_audio"]);
      const demo = await ask([{ type: "video", video: LOUD }, text("What happens?")]);
      assertEquals([demo.status, demo.used], [200, [false, true, true]]);
    });
    const stats = await server.idle();
    assert(stats.freeSlots === stats.totalSlots && stats.freeBlocks === stats.totalBlocks);
  } finally {
    await server.close();
    media.close();
  }
});
