/** Valley (2023) from a converted checkpoint to streamed answers over HTTP. */
import { assert, assertEquals } from "../support/assert.ts";
import { hasFfmpeg, picture, text, video, withTiny } from "../support/tiny_serve.ts";

Deno.test("Valley (2023): a tiny checkpoint with LLaMA's tokenizer answers with a picture and with a video", async () => {
  await withTiny("valley1", async (server) => {
    const [model] = (await server.get("/v1/models")).data;
    assertEquals([model.id, model.modalities], ["tiny", ["text", "image", "video"]]);
    const first = await server.stream([picture, text("What is this?")]);
    const details = first.usage.prompt_tokens_details;
    assertEquals([details.image_tokens, details.video_tokens], [16, 0]); // 4×4 patches, no frame token of 8
    const again = await server.stream([picture, text("What is this?")]);
    assertEquals(again.text, first.text);
    assert(again.usage.prompt_tokens_details.cached_tokens > 0, "the prefix cache is used");
    const plain = await server.stream([text("3.11 or 3.8?")]);
    assertEquals(plain.usage.prompt_tokens_details.image_tokens, 0);
    if (hasFfmpeg) {
      const clip = await server.stream([video("plain.mp4"), text("What happens?")]);
      assertEquals(clip.usage.prompt_tokens_details.video_tokens, 16 + 8);
    }
    const refused = async (body: Record<string, unknown>) => {
      const [status, { error }] = await server.chat(body);
      return [status, error.code];
    };
    const chosen = await server.stream([picture, text("Yes or no?")], {
      max_tokens: 12,
      structured_outputs: { choice: ["yes", "no"] },
    });
    assert(["yes", "no"].includes(chosen.text), `constrained to yes or no: ${chosen.text}`);
    const sound = { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } };
    const user = (...content: unknown[]) => [{ role: "user", content }];
    assertEquals(await refused({ messages: user(sound) }), [400, "unsupported_modality"]);
    assertEquals(await refused({ messages: user(picture, picture) }), [400, "too_many_images"]);
    const tools = [{ type: "function", function: { name: "f", parameters: {} } }];
    assertEquals(await refused({ messages: user(text("Hi")), tools }), [400, "tools_unsupported"]);
  });
});
