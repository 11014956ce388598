/** Content parts in all the spellings that clients use, and messages made of them. */

import { z } from "zod";
import { DEFAULT_LIMITS } from "./limits.ts";

/** Parts or calls of one message that are looked at: beyond, each would cost time before it is refused. */
export const MOST_LOOKED_AT = 4 * DEFAULT_LIMITS.parts;

const uuid = z.string().max(256).nullish().describe("A label; the content's digest is what caches go by");
const address = z.union([z.string(), z.looseObject({ url: z.string() })]);

const textPart = z.looseObject({ type: z.enum(["text", "input_text", "output_text"]), text: z.string() });

/** Sampling of one video file; the request's `mm_processor_kwargs` hold for all. */
const videoOptions = {
  fps: z.number().positive().nullish(),
  nframes: z.int().positive().nullish(),
  min_pixels: z.int().positive().nullish(),
  max_pixels: z.int().positive().nullish(),
  min_frames: z.int().positive().nullish(),
  max_frames: z.int().positive().nullish(),
};

const mediaParts = [
  z.looseObject({ type: z.literal("image_url"), image_url: address, uuid }),
  z.looseObject({ type: z.literal("audio_url"), audio_url: address, uuid }),
  z.looseObject({ type: z.literal("video_url"), video_url: address, uuid, ...videoOptions }),
  z.looseObject({
    type: z.literal("input_audio"),
    input_audio: z.looseObject({ data: z.string(), format: z.string().nullish() }),
    uuid,
  }),
  z.looseObject({
    type: z.literal("input_video"),
    input_video: z.looseObject({
      data: z.string().nullish(),
      url: z.string().nullish(),
      format: z.string().nullish(),
    }),
    uuid,
    ...videoOptions,
  }),
  z.looseObject({ type: z.literal("image"), image: z.string(), uuid }),
  z.looseObject({ type: z.literal("audio"), audio: z.string(), uuid }),
  z.looseObject({
    type: z.literal("video"),
    video: z.union([z.string(), z.array(z.string()).max(MOST_LOOKED_AT * 4)]),
    uuid,
    ...videoOptions,
  }),
] as const;

export const partSchema = z.discriminatedUnion("type", [textPart, ...mediaParts]);
export type WirePart = z.infer<typeof partSchema>;

const assistantPart = z.discriminatedUnion("type", [
  textPart,
  z.looseObject({ type: z.literal("refusal"), refusal: z.string() }),
]);

const name = z.string().max(256).nullish();

const toolCall = z.looseObject({
  id: z.string().max(256).nullish(),
  type: z.literal("function").nullish(),
  function: z.looseObject({
    name: z.string().min(1).max(256),
    arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
  }),
});

export const messageSchema = z.discriminatedUnion("role", [
  z.looseObject({
    role: z.enum(["system", "developer"]),
    content: z.union([z.string(), z.array(textPart).max(MOST_LOOKED_AT)]),
    name,
  }),
  z.looseObject({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(partSchema).max(MOST_LOOKED_AT)]),
    name,
  }),
  z.looseObject({
    role: z.literal("assistant"),
    content: z.union([z.string(), z.array(assistantPart).max(MOST_LOOKED_AT)]).nullish(),
    reasoning: z.string().nullish(),
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(toolCall).max(MOST_LOOKED_AT).nullish(),
    name,
  }),
  z.looseObject({
    role: z.literal("tool"),
    content: z.union([z.string(), z.array(partSchema).max(MOST_LOOKED_AT)]),
    tool_call_id: z.string().max(256).nullish(),
    name,
  }),
]);
export type WireMessage = z.infer<typeof messageSchema>;
