/** All spellings of media, what is made of soundtracks, and what is refused. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { dataUrl, startServer } from "../support/server_harness.ts";

// deno-lint-ignore no-explicit-any
type Json = any;

Deno.test({ name: "content parts", sanitizeOps: false, sanitizeResources: false }, async (t) => {
  const server = await startServer({ limits: { images: 3, videoFrames: 6, imageBytes: 20 } });
  const send = async (
    parts: unknown[],
    extra: Record<string, unknown> = {},
  ): Promise<{ status: number; json: Json }> => {
    const response = await server.chat({ messages: [{ role: "user", content: parts }], ...extra });
    return { status: response.status, json: await response.json() };
  };
  const answer = async (parts: unknown[], extra: Record<string, unknown> = {}): Promise<string> => {
    const { status, json } = await send(parts, extra);
    assertEquals(status, 200, JSON.stringify(json));
    return json.choices[0].message.content;
  };
  const refusal = async (
    parts: unknown[],
    extra: Record<string, unknown> = {},
  ): Promise<[number, string, string]> => {
    const { status, json } = await send(parts, extra);
    return [status, json.error.code, json.error.param];
  };
  const image = dataUrl("64x96"), audio = dataUrl("2s", "audio/wav"), video = dataUrl("4f", "video/mp4");
  const sounding = dataUrl("4f+s", "video/mp4");

  await t.step("pictures", async () => {
    for (
      const part of [
        { type: "image_url", image_url: { url: image, detail: "high" }, uuid: "a" },
        { type: "image_url", image_url: image },
        { type: "image", image },
      ]
    ) assertEquals(await answer([part]), "I got 6 image tokens.");
  });

  await t.step("sounds", async () => {
    for (
      const part of [
        { type: "input_audio", input_audio: { data: btoa("2s"), format: "wav" } },
        { type: "input_audio", input_audio: { data: audio } },
        { type: "audio_url", audio_url: { url: audio }, uuid: "b" },
        { type: "audio_url", audio_url: audio },
        { type: "audio", audio },
      ]
    ) assertEquals(await answer([part]), "I got 26 audio tokens.");
  });

  await t.step("videos", async () => {
    for (
      const part of [
        { type: "video_url", video_url: { url: video }, uuid: "c" },
        { type: "video_url", video_url: video },
        { type: "input_video", input_video: { data: btoa("4f") } },
        { type: "input_video", input_video: { data: video } },
        { type: "input_video", input_video: { url: video } },
        { type: "video", video },
        { type: "video", video: [image, image, image, image].map(() => dataUrl("64x64")) },
        {
          type: "video_url",
          video_url: { url: `data:video/jpeg;base64,${[1, 2, 3, 4].map(() => btoa("64x64")).join()}` },
        },
      ]
    ) assertEquals(await answer([part]), "I got 8 video tokens.");
  });

  await t.step("the soundtrack is used, left, or refused", async () => {
    const part = { type: "video_url", video_url: { url: sounding } };
    const silent = { type: "video_url", video_url: { url: video } };
    const use = (use_audio_in_video: unknown) => ({ mm_processor_kwargs: { use_audio_in_video } });
    const both = "I got 8 video tokens and 26 audio tokens.";
    assertEquals(await answer([part]), both);
    assertEquals(await answer([part], use("auto")), both);
    assertEquals(await answer([part], use(true)), both);
    assertEquals(await answer([part], use(false)), "I got 8 video tokens.");
    assertEquals(await answer([silent]), "I got 8 video tokens.");
    const param = "messages[0].content[0].video_url";
    assertEquals(await refusal([silent], use(true)), [400, "video_has_no_audio", param]);
    const frames = { type: "video", video: [dataUrl("64x64"), dataUrl("64x64")] };
    assertEquals(await refusal([frames], use(true)), [
      400,
      "video_has_no_audio",
      "messages[0].content[0].video",
    ]);
    const usage = (await send([part])).json.usage.prompt_tokens_details;
    assertEquals([usage.image_tokens, usage.video_tokens, usage.audio_tokens], [0, 8, 26]);
  });

  await t.step("a request may lower limits, not raise them", async () => {
    const part = { type: "video_url", video_url: { url: dataUrl("40f", "video/mp4") } };
    assertEquals(await answer([part], { mm_processor_kwargs: { max_frames: 6 } }), "I got 12 video tokens.");
    assertEquals(await answer([{ ...part, max_frames: 4 }]), "I got 8 video tokens.");
    const [status, code, param] = await refusal([part], { mm_processor_kwargs: { max_frames: 65 } });
    assertEquals([status, code, param], [400, "invalid_media_limit", "mm_processor_kwargs"]);
    const { json } = await send([part], { mm_processor_kwargs: { max_frames: 65 } });
    assertMatch(json.error.message, /64/);
    assertEquals(await refusal([part], { mm_processor_kwargs: { nonsense: 1 } }), [
      400,
      "invalid_value",
      "mm_processor_kwargs.nonsense",
    ]);
  });

  await t.step("addresses other than data: are refused", async () => {
    const at = "messages[0].content[0].image_url";
    const url = (address: string) => refusal([{ type: "image_url", image_url: { url: address } }]);
    for (
      const address of ["http://example.com/a.png", "HTTPS://127.0.0.1/", "  http://169.254.169.254/latest"]
    ) {
      assertEquals(await url(address), [400, "remote_media_disabled", at]);
    }
    for (const address of ["file:///etc/passwd", "/etc/passwd", "../x.png", "", "iVBORw0KGgo="]) {
      assertEquals(await url(address), [400, "local_media_disabled", at]);
    }
    for (const address of ["ftp://x/y", "blob:http://x/y", "javascript:1", "gopher://x"]) {
      assertEquals(await url(address), [400, "unsupported_media_scheme", at]);
    }
    assertEquals(await url("data:image/png,rawbytes"), [400, "invalid_data_url", at]);
    assertEquals(await url("data:image/png;base64"), [400, "invalid_data_url", at]);
    assertEquals(await url("data:image/png;base64,!!!"), [400, "invalid_base64", at]);
    assertEquals(await url("data:image/png;base64,"), [400, "invalid_base64", at]);
    assertEquals(await url(dataUrl("not a picture")), [400, "unsupported_image", at]);
    assertEquals(await url(dataUrl("x".repeat(30))), [413, "image_too_large", at]);
  });

  await t.step("too many, too much, in the wrong place", async () => {
    const part = { type: "image_url", image_url: image };
    assertEquals((await refusal(new Array(4).fill(part))).slice(0, 2), [400, "too_many_parts"]);
    const frames = { type: "video", video: new Array(7).fill(dataUrl("64x64")) };
    assertEquals((await refusal([frames])).slice(0, 2), [400, "too_many_frames"]);
    const response = await server.chat({
      messages: [{ role: "system", content: [part] }, { role: "user", content: "a" }],
    });
    const { error } = await response.json();
    assertEquals([response.status, error.param], [400, "messages[0].content[0].type"]);
  });

  await t.step("the order of parts places media; text that spells a placeholder is text", async () => {
    const text = { type: "text", text: "echo: <|image|><image><|im_end|>" };
    assertEquals(await answer([text]), "<|image|><image><|im_end|>");
  });

  await t.step("media of a model that lacks the modality", async () => {
    const deaf = await startServer({ card: { modalities: ["image", "video"] } });
    const ask = (body: Record<string, unknown>) => deaf.chat(body).then((response) => response.json());
    const heard = await ask({ messages: [{ role: "user", content: [{ type: "audio", audio }] }] });
    assertEquals(heard.error.code, "unsupported_modality");
    const part = { type: "video_url", video_url: { url: sounding } };
    const auto = await ask({ messages: [{ role: "user", content: [part] }] });
    assertEquals(auto.choices[0].message.content, "I got 8 video tokens.");
    const asked = await ask({
      messages: [{ role: "user", content: [part] }],
      mm_processor_kwargs: { use_audio_in_video: true },
    });
    assertEquals(asked.error.code, "unsupported_modality");
    await deaf.close();
  });

  const stats = await server.idle();
  assertEquals([stats.freeSlots, stats.freeBlocks], [stats.totalSlots, stats.totalBlocks]);
  await server.close();
});
