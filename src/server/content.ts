/** Messages of a request → a conversation with decoded media. One path for all spellings. */

import type {
  AnswerTags,
  ChatMessage,
  ChatPart,
  Clip,
  ImageOptions,
  MediaKind,
  MediaLimits,
  PromptBuilder,
  Raster,
  VideoPlan,
  Wave,
} from "../families/family.ts";
import { PromptError } from "../families/family.ts";
import type { WireMessage, WirePart } from "./content_schema.ts";
import { invalid } from "./errors.ts";
import { decodeBase64, fetchMedia, framesOf, type MediaAccess } from "./fetch_media.ts";
import type { Limits } from "./limits.ts";
import { countParts, locate, mediaLimits, type Source } from "./media_parts.ts";

/** Decodes media off this thread; src/prompt/media.ts is one. */
export interface MediaDecoder {
  decodeImage(bytes: Uint8Array, options: ImageOptions, signal: AbortSignal): Promise<Raster>;
  decodeAudio(bytes: Uint8Array, signal: AbortSignal): Promise<Wave>;
  decodeVideo(
    bytes: Uint8Array,
    plan: VideoPlan,
    audio: "none" | "auto" | "required",
    signal: AbortSignal,
  ): Promise<Clip>;
}

/** What the request wants of media. */
export interface MediaWishes {
  limits: MediaLimits;
  audioInVideo: boolean | "auto";
}

interface Context {
  wishes: MediaWishes;
  modalities: MediaKind[];
  prompt: PromptBuilder;
  decoder: MediaDecoder;
  limits: Limits;
  media: MediaAccess;
  tags: AnswerTags | null;
  signal: AbortSignal;
}

/** Throws ApiError or PromptError for the first part that can't be taken. */
export async function readMessages(messages: WireMessage[], context: Context): Promise<ChatMessage[]> {
  countParts(messages, context.limits);
  const lastUser = messages.findLastIndex(({ role }) => role === "user");
  return await Promise.all(messages.map(async (message, index): Promise<ChatMessage> => {
    const at = `messages[${index}]`;
    const content = await readContent(message, at, context);
    switch (message.role) {
      case "system":
      case "developer":
        return { role: "system", content };
      case "user":
      case "tool":
        return { role: message.role, content };
      case "assistant":
        return assistantTurn(message, content, index > lastUser, context.tags);
    }
  }));
}

/** `current`: after the last user turn, where thoughts belong to the answer being worked on; earlier ones go. */
function assistantTurn(
  message: Extract<WireMessage, { role: "assistant" }>,
  content: ChatPart[],
  current: boolean,
  tags: AnswerTags | null,
): ChatMessage {
  const thought = message.reasoning ?? message.reasoning_content;
  if (current && thought) content.unshift(...thoughtOf(thought, tags));
  const toolCalls = message.tool_calls?.map(({ function: { name, arguments: given } }) => ({
    name,
    arguments: typeof given === "string" && given.trim() !== "" ? given : JSON.stringify(given || {}),
  }));
  return { role: "assistant", content, ...(toolCalls?.length ? { toolCalls } : {}) };
}

/** A thought as the model writes it; nothing where the model has none. */
export function thoughtOf(thought: string, tags: AnswerTags | null): ChatPart[] {
  if (tags === null || thought === "") return [];
  const [open, close] = tags.thought;
  return [{ type: "text", text: `${open}\n${thought}\n${close}\n\n` }];
}

async function readContent({ content }: WireMessage, at: string, context: Context): Promise<ChatPart[]> {
  if (content === null || content === undefined) return [];
  if (typeof content === "string") return [{ type: "text", text: content }];
  return await Promise.all(
    content.map((part, index) => readPart(part as WirePart, `${at}.content[${index}]`, context)),
  );
}

async function readPart(
  part: WirePart | { type: "refusal"; refusal: string },
  at: string,
  context: Context,
): Promise<ChatPart> {
  if (part.type === "refusal") return { type: "text", text: part.refusal };
  if ("text" in part && typeof part.text === "string") return { type: "text", text: part.text };
  const { kind, param, source } = locate(part as WirePart, at);
  if (!context.modalities.includes(kind)) {
    throw invalid(`${param}: this model takes no ${kind}`, param, "unsupported_modality");
  }
  return await naming(param, async (): Promise<ChatPart> => {
    const { decoder, signal, limits, prompt } = context;
    const bytes = async () =>
      "base64" in source
        ? await decodeBase64(source.base64, { kind, param }, limits)
        : await fetchMedia(source.address as string, { kind, param }, context);
    switch (kind) {
      case "image":
        return {
          type: "image",
          image: await decoder.decodeImage(await bytes(), prompt.imageOptions, signal),
        };
      case "audio":
        return { type: "audio", audio: await decoder.decodeAudio(await bytes(), signal) };
      case "video":
        return { type: "video", video: await readVideo(part as VideoPart, source, param, bytes, context) };
    }
  });
}

type VideoPart = Extract<WirePart, { type: "video_url" | "input_video" | "video" }>;

async function readVideo(
  part: VideoPart,
  source: Source,
  param: string,
  bytes: () => Promise<Uint8Array>,
  context: Context,
): Promise<Clip> {
  const { wishes, decoder, signal, limits, prompt, modalities } = context;
  const own = mediaLimits(part);
  const hears = modalities.includes("audio");
  if (wishes.audioInVideo === true && !hears) {
    throw invalid(
      "This model takes no audio",
      "mm_processor_kwargs.use_audio_in_video",
      "unsupported_modality",
    );
  }
  const frames = "address" in source
    ? typeof source.address === "string" ? framesOf(source.address, param) : source.address
    : null;
  if (frames === null) {
    const audio = wishes.audioInVideo === false || !hears
      ? "none"
      : wishes.audioInVideo === true
      ? "required"
      : "auto";
    return await decoder.decodeVideo(
      await bytes(),
      prompt.videoPlan({ ...wishes.limits, ...own }),
      audio,
      signal,
    );
  }
  if (wishes.audioInVideo === true) {
    throw invalid(`${param}: a list of frames has no soundtrack`, param, "video_has_no_audio");
  }
  if (Object.keys(own).length > 0) {
    throw invalid(
      `${param}: options of a list of frames go to mm_processor_kwargs`,
      param,
      "unsupported_option",
    );
  }
  if (frames.length > limits.videoFrames) {
    throw invalid(
      `${param}: the video has ${frames.length} frames; the limit is ${limits.videoFrames}`,
      param,
      "too_many_frames",
    );
  }
  const pictures = await Promise.all(
    frames.map((frame) => fetchMedia(frame, { kind: "image", param }, context)),
  );
  const rasters = await Promise.all(
    pictures.map((picture) => decoder.decodeImage(picture, prompt.imageOptions, signal)),
  );
  return { frames: rasters, fps: wishes.limits.fps ?? null, audio: null };
}

/** A decoder's refusal says which part it means. */
async function naming<T>(param: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PromptError)) throw error;
    const given = error.param !== null && error.param !== "messages" ? error.param : param;
    throw new PromptError(`${given}: ${error.message}`, error.code, given);
  }
}
