/** Valley2.5 from a converted checkpoint to streamed answers over HTTP. */
import { assert, assertEquals } from "../support/assert.ts";
import { hasFfmpeg, picture, text, video, withTiny } from "../support/tiny_serve.ts";

Deno.test("Valley2.5: a tiny checkpoint with Qwen's tokenizer answers with a picture and with a video", async () => {
  await withTiny("valley2_5", async (server) => {
    const [model] = (await server.get("/v1/models")).data;
    assertEquals([model.id, model.modalities], ["tiny", ["text", "image", "video"]]);
    const first = await server.stream([picture, text("What is this?")]);
    assertEquals(first.usage.completion_tokens, 6);
    const details = first.usage.prompt_tokens_details;
    assertEquals([details.image_tokens, details.video_tokens], [9, 0]); // 96 pixels → 84 = 3 · 28
    const again = await server.stream([picture, text("What is this?")]);
    assertEquals(again.text, first.text);
    assert(again.usage.prompt_tokens_details.cached_tokens > 0, "the prefix cache is used");
    const plain = await server.stream([text("3.11 or 3.8?")]);
    assertEquals(plain.usage.prompt_tokens_details.image_tokens, 4, "a black picture where there is none");
    if (hasFfmpeg) {
      const clip = await server.stream([video("plain.mp4"), text("What happens?")]);
      assertEquals(clip.usage.prompt_tokens_details.video_tokens, 8 * 4); // 64×48 → 56×56
    }
    const chosen = await server.stream([picture, text("Yes or no?")], {
      max_tokens: 12,
      structured_outputs: { choice: ["yes", "no"] },
    });
    assert(["yes", "no"].includes(chosen.text), `constrained to yes or no: ${chosen.text}`);
    const tool = {
      name: "stop",
      parameters: { type: "object", properties: {}, additionalProperties: false },
    };
    const [, called] = await server.chat({
      messages: [{ role: "user", content: [picture, text("Stop.")] }],
      tools: [{ type: "function", function: tool }],
      tool_choice: { type: "function", function: { name: "stop" } },
      max_tokens: 60,
    });
    assertEquals(called.choices[0].message.tool_calls?.[0].function.name, "stop", JSON.stringify(called));
    const sound = { type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } };
    const [status, { error }] = await server.chat({ messages: [{ role: "user", content: [sound] }] });
    assertEquals([status, error.code], [400, "unsupported_modality"]);
  });
});
