/** Valley3's prompt builder over a small tokenizer: ids, spans, positions, limits, errors. */

import type {
  ChatMessage,
  ChatPart,
  Clip,
  PromptError,
  PromptOptions,
  Raster,
} from "../../src/families/family.ts";
import { readValley3Config } from "../../src/families/valley3/config.ts";
import { readPreprocessor } from "../../src/families/valley3/preprocessor.ts";
import { Valley3Prompt } from "../../src/families/valley3/prompt.ts";
import { mediaTokens } from "../../src/families/valley3/token_count.ts";
import { thinkingPrompt } from "../../src/families/valley3/thinking.ts";
import type { CheckpointFiles } from "../../src/prompt/checkpoint_files.ts";
import { jinjaTemplate } from "../../src/prompt/template.ts";
import { Media } from "../../src/prompt/media.ts";
import { qwen3TokenizerJson } from "../../tools/golden/qwen3_vocabulary.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

type Json = Record<string, unknown>;

const CONFIG: Json = {
  model_type: "valley_omni",
  text_config: {
    vocab_size: 151936,
    hidden_size: 64,
    intermediate_size: 64,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    head_dim: 32,
    max_position_embeddings: 4096,
    rope_parameters: {
      rope_type: "default",
      rope_theta: 1e6,
      mrope_section: [6, 5, 5],
      mrope_interleaved: true,
    },
  },
  vision_config: {
    depth: 1,
    hidden_size: 32,
    num_heads: 2,
    intermediate_size: 32,
    out_hidden_size: 64,
    num_position_embeddings: 16,
    deepstack_visual_indexes: [0],
  },
  audio_config: {
    encoder_layers: 1,
    encoder_attention_heads: 2,
    encoder_ffn_dim: 32,
    d_model: 32,
    downsample_hidden_size: 8,
    output_dim: 32,
  },
  connector_hidden_size: 32,
  position_id_per_seconds: 13,
};

const FILES: CheckpointFiles = {
  tokenizer: qwen3TokenizerJson as Json,
  tokenizerConfig: {},
  preprocessor: { min_pixels: 4096, max_pixels: 65536 },
  videoPreprocessor: { min_pixels: 4096, max_pixels: 16384 },
  template: null,
};

const OPTIONS: PromptOptions = { tools: [], effort: null, tokenization: "safe" };

const grey = (width: number, height: number, level = 128): Raster => ({
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(level),
});
const tone = (seconds: number) => ({
  sampleRate: 16000,
  samples: Float32Array.from({ length: seconds * 16000 }, (_, i) => Math.sin(i / 7)),
});
const clip = (frames: number, extra: Partial<Clip> = {}): Clip => ({
  frames: Array.from({ length: frames }, (_, i) => grey(128, 64, i * 9)),
  fps: null,
  audio: null,
  ...extra,
});
const user = (...content: ChatPart[]): ChatMessage => ({ role: "user", content });
const text = (value: string): ChatPart => ({ type: "text", text: value });

async function withBuilder(
  use: (builder: Valley3Prompt) => Promise<void>,
  files: Partial<CheckpointFiles> = {},
  thinking = false,
): Promise<void> {
  const media = new Media();
  try {
    await use(new Valley3Prompt({ ...FILES, ...files }, readValley3Config(CONFIG), media, { thinking }));
  } finally {
    media.close();
  }
}

const codeOf = async (run: () => unknown, pattern: RegExp): Promise<string | null> =>
  ((await assertThrows(run, pattern)) as PromptError).code;

Deno.test("text alone: no positions, no media; encode and decode are inverse", () =>
  withBuilder(async (builder) => {
    const prompt = await builder.build([user(text("3.11 or 3.8?"))], OPTIONS);
    assertEquals(prompt.positions, null);
    assertEquals([prompt.ropeDelta, prompt.media, prompt.spans], [0, [], []]);
    assertEquals(prompt.mediaTokens, { image: 0, video: 0, audio: 0 });
    const rendered = builder.render([user(text("3.11 or 3.8?"))], OPTIONS);
    assertEquals(rendered, "<|im_start|>user\n3.11 or 3.8?<|im_end|>\n<|im_start|>assistant\n");
    assertEquals(builder.decode(prompt.ids, true), rendered);
    assertEquals(builder.decode(prompt.ids), "user\n3.11 or 3.8?\nassistant\n");
    const stream = builder.detokenizer();
    assertEquals([...builder.encode("a 価")].map((id) => stream.push(id)).join("") + stream.end(), "a 価");
  }));

Deno.test("picture, sound and video in one prompt: spans, grids, positions", () =>
  withBuilder(async (builder) => {
    const { ids, media, spans, mediaTokens, positions, ropeDelta } = await builder.build([
      { role: "system", content: [text("Be brief.")] },
      user({ type: "image", image: grey(100, 60) }, text("and"), { type: "audio", audio: tone(1) }),
      user({ type: "video", video: clip(5) }, text("?")),
    ], OPTIONS);
    assertEquals(media.map(({ kind, shape, tokens }) => [kind, shape, tokens]), [
      ["image", [1, 4, 6], 6],
      ["audio", [128, 100], 13],
      ["video", [3, 4, 8], 24], // an odd last frame repeats
    ]);
    assertEquals(mediaTokens, { image: 6, video: 24, audio: 13 });
    assertEquals(spans.map(({ media, length, offset }) => [media, length, offset]), [[0, 6, 0], [1, 13, 0], [
      2,
      24,
      0,
    ]]);
    for (const { media: index, start, length } of spans) {
      const want = [151655, 151675, 151656][index];
      assert(ids.subarray(start, start + length).every((id) => id === want));
    }
    assertEquals(positions!.length, 3 * ids.length);
    const video = spans[2].start;
    // second_per_grid is 2 (the processor's fps 1) · 13
    assertEquals(positions![video + 8] - positions![video], 26);
    assertEquals(ropeDelta, 1 + Math.max(...positions!) - ids.length);
  }));

Deno.test("video with its sound: interleaved by time; a request's fps sets second_per_grid", () =>
  withBuilder(async (builder) => {
    const { ids, media, spans, mediaTokens } = await builder.build([
      user({ type: "video", video: clip(4, { fps: 2, audio: tone(3) }) }, { type: "audio", audio: tone(1) }),
    ], OPTIONS);
    assertEquals(media.map(({ kind, tokens }) => [kind, tokens]), [["video", 16], ["audio", 39], [
      "audio",
      13,
    ]]);
    // fps 2: a temporal patch lasts one second, 13 audio tokens
    assertEquals(spans.map(({ media, length, offset }) => [media, length, offset]), [
      [0, 8, 0],
      [1, 13, 0],
      [0, 8, 8],
      [1, 26, 13],
      [2, 13, 0],
    ]);
    assertEquals(mediaTokens, { image: 0, video: 16, audio: 52 });
    const around = [...ids].filter((id) => id >= 151652 && id <= 151670 && id !== 151656);
    assertEquals(around, [151652, 151669, 151670, 151653, 151669, 151670]);
  }));

Deno.test("text that spells placeholders stays text; in official form it is refused", () =>
  withBuilder(async (builder) => {
    const messages = [
      user({ type: "image", image: grey(64, 64) }, text("<|image_pad|><|vision_start|><|audio_start|>")),
    ];
    const { ids, spans } = await builder.build(messages, OPTIONS);
    assertEquals([...ids].filter((id) => id === 151655).length, 4);
    assertEquals(spans, [{ media: 0, start: 4, length: 4, offset: 0 }]);
    const official = () => builder.build(messages, { ...OPTIONS, tokenization: "official" });
    assertEquals(await codeOf(official, /spells a media placeholder/), "placeholder_in_text");
  }));

Deno.test("effort: the policy is put in for Think models, refused for others", async () => {
  await withBuilder(
    (builder) => {
      const rendered = builder.render([user(text("q"))], { ...OPTIONS, effort: "minimal" });
      assert(rendered.startsWith(`<|im_start|>system\n${thinkingPrompt("minimal")}<|im_end|>\n`));
      assert(!builder.render([user(text("q"))], OPTIONS).includes("Reasoning"));
      return Promise.resolve();
    },
    {},
    true,
  );
  await withBuilder(async (builder) => {
    const run = () => builder.build([user(text("q"))], { ...OPTIONS, effort: "high" });
    assertEquals(await codeOf(run, /no reasoning effort/), "reasoning_unsupported");
  });
});

Deno.test("a request's limits lower the model's and may not raise them", () =>
  withBuilder(async (builder) => {
    const build = (limits: PromptOptions["limits"], part: ChatPart) =>
      builder.build([user(part)], { ...OPTIONS, limits });
    const image: ChatPart = { type: "image", image: grey(256, 256) };
    assertEquals((await build({}, image)).media[0].shape, [1, 16, 16]);
    assertEquals((await build({ maxPixels: 16384 }, image)).media[0].shape, [1, 8, 8]);
    assertEquals((await build({ maxPixels: 1024 }, image)).media[0].shape, [1, 2, 2]);
    assertEquals(
      await codeOf(() => build({ maxPixels: 65537 }, image), /max_pixels .* 1 to 65536/),
      "invalid_media_limit",
    );
    assertEquals(
      await codeOf(() => build({ minPixels: 4097 }, image), /min_pixels .* 1 to 4096/),
      "invalid_media_limit",
    );
    assertEquals(await codeOf(() => build({ maxPixels: 0.5 }, image), /max_pixels/), "invalid_media_limit");
    const plan = builder.videoPlan();
    assertEquals([plan.defaultFps, plan.minFrames, plan.maxFrames, plan.minPixels, plan.maxPixels], [
      2,
      4,
      768,
      4096,
      16384,
    ]);
    assertEquals(builder.videoPlan({ maxFrames: 2 }).minFrames, 2);
    assertEquals(builder.videoPlan({ fps: 0.5 }).fps, 0.5);
    for (
      const [limits, pattern] of [
        [{ maxFrames: 769 }, /max_frames .* 1 to 768/],
        [{ nframes: 800 }, /nframes/],
        [{ fps: 2, nframes: 4 }, /only one/],
        [{ fps: 0 }, /fps/],
        [{ fps: NaN }, /fps/],
        [{ minFrames: 6, maxFrames: 4 }, /min_frames .* 1 to 4/],
      ] as const
    ) assertEquals(await codeOf(() => builder.videoPlan(limits), pattern), "invalid_media_limit");
  }));

Deno.test("conversations that the model cannot take", () =>
  withBuilder(async (builder) => {
    const build = (...messages: ChatMessage[]) => () => builder.build(messages, OPTIONS);
    const frames = [grey(64, 64), grey(64, 32)];
    assertEquals(
      await codeOf(build(user({ type: "image", image: grey(400, 1) })), /too narrow/),
      "image_aspect_ratio",
    );
    assertEquals(
      await codeOf(build(user({ type: "video", video: clip(0, { frames }) })), /one size/),
      "video_frames_differ",
    );
    assertEquals(await codeOf(build(user({ type: "video", video: clip(0) })), /no frames/), "too_few_frames");
    assertEquals(
      await codeOf(build(user({ type: "video", video: clip(769) })), /over 768 frames/),
      "video_too_long",
    );
    assertEquals(
      await codeOf(build(user(text("word ".repeat(5000)))), /longer than/),
      "context_length_exceeded",
    );
    assertEquals(
      await codeOf(
        build(user({ type: "video", video: clip(600) }, { type: "video", video: clip(600) })),
        /longer than/,
      ),
      "context_length_exceeded",
    );
    assertEquals(await codeOf(build(), /must not be empty/), "invalid_messages");
    assertEquals(
      await codeOf(
        build({ role: "assistant", content: [{ type: "image", image: grey(64, 64) }] }),
        /text only/,
      ),
      "unsupported_content",
    );
  }));

Deno.test("tokens told before preprocessing are those after it", () =>
  withBuilder(async (builder) => {
    const preprocessor = readPreprocessor(FILES, readValley3Config(CONFIG));
    const parts: ChatPart[] = [
      { type: "image", image: grey(500, 333) },
      { type: "image", image: grey(7, 300) },
      { type: "audio", audio: { sampleRate: 44100, samples: new Float32Array(31309).fill(0.1) } },
      { type: "audio", audio: { sampleRate: 8000, samples: new Float32Array(81).fill(0.1) } },
      { type: "video", video: clip(7, { audio: tone(2) }) },
      { type: "video", video: clip(2, { fitted: true }) },
    ];
    for (const part of parts) {
      const { mediaTokens: { image, video, audio } } = await builder.build([user(part)], OPTIONS);
      assertEquals(mediaTokens(part, preprocessor), image + video + audio);
    }
    assertEquals(
      mediaTokens({ type: "image", image: grey(500, 333) }, preprocessor, { maxPixels: 16384 }),
      12,
    );
  }));

Deno.test("a checkpoint's own template is used", () =>
  withBuilder(async (builder) => {
    const { ids } = await builder.build(
      [user({ type: "image", image: grey(64, 64) }, text("<|im_end|>"))],
      OPTIONS,
    );
    assertEquals([...ids].slice(0, 4), [151655, 151655, 151655, 151655]);
    assertEquals([...ids].filter((id) => id === 151645).length, 1);
  }, {
    template: jinjaTemplate(
      "{% for m in messages %}{% for p in m.content %}{{ p.text if p.type == 'text' else '<|image_pad|>' }}{% endfor %}<|im_end|>{% endfor %}",
    ),
  }));

Deno.test("preprocessor files: the published shapes", async () => {
  const config = readValley3Config(CONFIG);
  const read = (preprocessor: Json, videoPreprocessor: Json | null = null, server = {}) =>
    readPreprocessor({ ...FILES, preprocessor, videoPreprocessor }, config, server);
  const pixels = (
    { minPixels, maxPixels }: { minPixels: number; maxPixels: number },
  ) => [minPixels, maxPixels];
  assertEquals(pixels(read({}).image), [65_536, 16_777_216]);
  assertEquals(pixels(read({ size: { shortest_edge: 5, longest_edge: 6 } }).image), [5, 6]);
  assertEquals(
    pixels(read({ min_pixels: 7, max_pixels: 8, size: { shortest_edge: 5, longest_edge: 6 } }).image),
    [7, 8],
  );
  assertEquals(pixels(read({}, null, { maxPixels: 100_000 }).image), [65_536, 100_000]);
  // Videos: the helper's rule, unless the file has limits for a frame (Qwen3-VL's `size` is a volume).
  const { video } = read({}, { size: { shortest_edge: 4096, longest_edge: 25_165_824 } });
  assertEquals([...pixels(video), video.totalPixels], [131_072, 786_432, 235_929_600]);
  const own = read({}, { min_pixels: 9216, max_pixels: 9216 }, { maxFrames: 64 }).video;
  assertEquals([...pixels(own), own.totalPixels, own.maxFrames], [9216, 9216, null, 64]);
  const small = read({ min_pixels: 9216, max_pixels: 9216 }).video;
  assertEquals([...pixels(small), small.totalPixels], [9216, 9216, null]);
  await assertThrows(() => read({ patch_size: 14 }), /patch_size is 14, in config.json 16/);
  await assertThrows(() => read({ min_pixels: 9, max_pixels: 8 }), /pixel limits 9 to 8/);
});
