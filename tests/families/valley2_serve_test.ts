/** Valley2 from a converted checkpoint to streamed answers over HTTP. */
import { assert, assertEquals } from "../support/assert.ts";
import { hasFfmpeg, picture, text, video, withTiny } from "../support/tiny_serve.ts";

Deno.test("Valley2: a tiny checkpoint with Qwen's tokenizer answers with a picture and with a video", async () => {
  await withTiny("valley2", async (server) => {
    const [model] = (await server.get("/v1/models")).data;
    assertEquals([model.id, model.modalities], ["tiny", ["text", "image", "video"]]);
    const first = await server.stream([picture, text("What is this?")]);
    assertEquals(first.usage.completion_tokens, 6);
    const details = first.usage.prompt_tokens_details;
    assertEquals([details.image_tokens, details.video_tokens], [4 + 16 + 9, 0]); // thumbnail, 2×2 tiles, Qwen2-VL
    const again = await server.stream([picture, text("What is this?")]);
    assertEquals(again.text, first.text);
    assert(again.usage.prompt_tokens_details.cached_tokens > 0, "the prefix cache is used");
    const plain = await server.stream([text("3.11 or 3.8?")]);
    assertEquals(plain.usage.prompt_tokens_details.image_tokens, 12, "a black picture where there is none");
    if (hasFfmpeg) {
      const clip = await server.stream([video("plain.mp4"), text("What happens?")]);
      assertEquals(clip.usage.prompt_tokens_details.video_tokens, 8 * (4 + 4)); // thumbnails and Qwen2-VL
    }
    const two = await server.stream([picture, picture, text("Compare.")]);
    assertEquals(two.usage.prompt_tokens_details.image_tokens, 2 * (4 + 9), "several are not tiled");
    const [thinking, refusal] = await server.chat({
      messages: [{ role: "user", content: "Hi" }],
      reasoning_effort: "high",
    });
    assertEquals([thinking, refusal.error.code], [400, "reasoning_unsupported"]);
    const chosen = await server.stream([picture, text("Yes or no?")], {
      max_tokens: 12,
      structured_outputs: { choice: ["yes", "no"] },
    });
    assert(["yes", "no"].includes(chosen.text), `constrained to yes or no: ${chosen.text}`);
    const sound = { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } };
    const [status, { error }] = await server.chat({ messages: [{ role: "user", content: [sound] }] });
    assertEquals([status, error.code], [400, "unsupported_modality"]);
  });
});
