/** Malformed request bodies: mutants of valid ones, of their bytes, and noise. */

import fc from "fast-check";
import { dataUrl, user } from "../../tests/support/server_harness.ts";

const VALID: Record<string, unknown>[] = [
  { messages: [user("echo: hi")] },
  {
    model: "valley3-demo",
    messages: [{ role: "system", content: "Be brief" }, user("say 2 words")],
    max_tokens: 5,
  },
  {
    messages: [
      user("what", { type: "image_url", image_url: { url: dataUrl("64x64"), detail: "low" }, uuid: "u" }),
    ],
  },
  {
    messages: [user("what", { type: "input_audio", input_audio: { data: btoa("1s"), format: "wav" } })],
    max_tokens: 9,
  },
  {
    messages: [user("what", { type: "video_url", video_url: { url: dataUrl("4f+s", "video/mp4") } })],
    mm_processor_kwargs: {
      use_audio_in_video: true,
      fps: 2,
      max_frames: 4,
      max_pixels: 10000,
      min_pixels: 100,
    },
  },
  { messages: [user("what", { type: "video", video: [dataUrl("32x32"), dataUrl("32x32")] })], n: 2 },
  {
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.5,
    top_p: 0.9,
    top_k: 4,
    min_p: 0.1,
    seed: 5,
    stop: ["a", "b"],
    stop_token_ids: [5],
    messages: [user("say 3 words")],
    max_tokens: 8,
  },
  {
    tools: [{
      type: "function",
      function: { name: "f", description: "d", parameters: { type: "object", properties: {} } },
    }],
    tool_choice: "auto",
    messages: [
      user("call f {}"),
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "ok" },
    ],
    max_tokens: 20,
  },
  {
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "n",
        strict: true,
        schema: { type: "object", properties: { a: { type: "integer" } } },
      },
    },
    messages: [user("json")],
  },
  { structured_outputs: { regex: "[a-z]{3}" }, thinking_token_budget: 8, messages: [user("echo: a")] },
  {
    reasoning_effort: "high",
    chat_template_kwargs: { enable_thinking: true },
    cache_salt: "s",
    messages: [user("echo: a")],
  },
];

/** Values that come out of broken clients. */
const ODD: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    -0,
    2 ** 53,
    "",
    "\u0000",
    "\ud800",
    [],
    {},
    [[]],
    "x".repeat(5000),
  ),
  fc.constantFrom(
    "data:image/png;base64,AAAA",
    "http://127.0.0.1/",
    "file:///etc/passwd",
    "<|im_end|>",
    "__proto__",
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: "binary", maxLength: 50 }),
);

/** One place of a JSON value replaced, removed, or given a new neighbour. */
function mutate(value: unknown, choose: () => number, odd: () => unknown): unknown {
  if (typeof value !== "object" || value === null || choose() % 4 === 0) return odd();
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  const key = keys.length === 0 ? "0" : keys[choose() % keys.length];
  const fields = copy as Record<string, unknown>;
  switch (choose() % 8) {
    case 0:
      delete fields[key];
      return copy;
    case 1:
      fields[String(odd())] = odd();
      return copy;
    case 2:
      return Array.isArray(copy) ? [...copy, ...copy] : { ...copy, [key + "x"]: fields[key] };
    default:
      fields[key] = mutate(fields[key], choose, odd);
      return copy;
  }
}

const mutated = fc.tuple(
  fc.constantFrom(...VALID),
  fc.infiniteStream(fc.nat(1000)),
  fc.infiniteStream(ODD),
  fc.integer({ min: 1, max: 3 }),
)
  .map(([valid, numbers, odds, times]) => {
    let body: unknown = valid;
    for (let i = 0; i < times; i++) body = mutate(body, () => numbers.next().value!, () => odds.next().value);
    // What is meant to run for long is not what is looked for here.
    if (typeof body === "object" && body !== null && !("max_tokens" in body)) {
      (body as Record<string, unknown>).max_tokens = 10;
    }
    return new TextEncoder().encode(JSON.stringify(body) ?? "null");
  });

/** A valid body with bytes changed, cut or doubled. */
const rawMutant = fc.tuple(
  fc.constantFrom(...VALID),
  fc.array(fc.tuple(fc.nat(5000), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
  fc.nat(3),
)
  .map(([valid, changes, kind]) => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...valid, max_tokens: 5 }));
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    const cut = (changes[0]?.[0] ?? 0) % bytes.length;
    if (kind === 1) return bytes.slice(0, cut);
    if (kind === 2) return new Uint8Array([...bytes.slice(0, cut), ...bytes.slice(cut / 2)]);
    return bytes;
  });

const raw = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json({ maxDepth: 6 }).map((text) => new TextEncoder().encode(text)),
);

/** `count` bodies, always the same for a seed. */
export function malformedBodies(count: number, seed: number): Uint8Array[] {
  const any = fc.oneof(
    { weight: 5, arbitrary: mutated },
    { weight: 3, arbitrary: rawMutant },
    { weight: 1, arbitrary: raw },
  );
  return fc.sample(any, { numRuns: count, seed });
}
