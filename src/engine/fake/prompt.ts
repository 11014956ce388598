/** The fake model's prompt side: ChatML over bytes, media as a few tokens each. Needs no files. */

import { createHash } from "node:crypto";
import {
  type ChatMessage,
  type ChatPart,
  type ImageOptions,
  type MediaFeature,
  type MediaKind,
  type MediaLimits,
  type MediaSpan,
  type ModelCard,
  type Prompt,
  type PromptBuilder,
  PromptError,
  type PromptOptions,
  type Raster,
  type VideoPlan,
} from "../../families/family.ts";
import { bytesOf, CONTROL, decodeIds, encodeText } from "./vocabulary.ts";

const LIMITS = { maxFrames: 64, maxPixels: 1 << 20 };

/** The fake's card: it thinks when asked, takes everything, and is greedy. */
export const FAKE_CARD: ModelCard = {
  reasoning: "optional",
  tags: { thought: ["<thinking>", "</thinking>"], answer: null },
  modalities: ["image", "video", "audio"],
  sampling: { temperature: 0, topP: 1, topK: 0, minP: 0 },
};

/** A prompt under construction. */
interface Draft {
  ids: number[];
  media: MediaFeature[];
  spans: MediaSpan[];
}

export class FakePrompt implements PromptBuilder {
  readonly imageOptions: ImageOptions = { applyOrientation: true, alpha: "white" };

  render(messages: ChatMessage[], options: PromptOptions): string {
    return decodeIds(draft(messages, options).ids, true);
  }

  build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt> {
    this.videoPlan(options.limits); // refuses what goes over
    const { ids, media, spans } = draft(messages, options);
    const mediaTokens = { image: 0, video: 0, audio: 0 };
    for (const { kind, tokens } of media) mediaTokens[kind] += tokens;
    return Promise.resolve({
      ids: Uint32Array.from(ids),
      positions: null,
      ropeDelta: 0,
      media,
      spans,
      mediaTokens,
    });
  }

  videoPlan(limits: MediaLimits = {}): VideoPlan {
    const { fps = null, nframes = null, minFrames = 2, maxFrames = LIMITS.maxFrames } = limits;
    const { minPixels = 32 * 32, maxPixels = LIMITS.maxPixels } = limits;
    for (
      const [name, asked, limit] of [["max_frames", maxFrames, LIMITS.maxFrames], [
        "max_pixels",
        maxPixels,
        LIMITS.maxPixels,
      ]] as const
    ) {
      if (asked > limit) {
        throw new PromptError(
          `${name} must be at most ${limit}`,
          "invalid_media_limit",
          "mm_processor_kwargs",
        );
      }
    }
    return {
      fps,
      nframes,
      defaultFps: 2,
      minFrames: Math.min(minFrames, maxFrames),
      maxFrames,
      frameFactor: 2,
      sizeFactor: 32,
      minPixels,
      maxPixels,
      totalPixels: null,
    };
  }

  encode(text: string): Uint32Array {
    return encodeText(text);
  }

  encodeLong(text: string, most: number): Promise<Uint32Array | null> {
    const ids = encodeText(text);
    return Promise.resolve(ids.length > most ? null : ids);
  }

  decode(ids: ArrayLike<number>, keepSpecial = false): string {
    return decodeIds(Array.from(ids), keepSpecial);
  }

  tokenBytes(id: number): Uint8Array {
    return bytesOf(id, true);
  }

  detokenizer(keepSpecial = false): { push(id: number): string; end(): string } {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => decoder.decode(bytesOf(id, keepSpecial), { stream: true }),
      end: () => decoder.decode(),
    };
  }
}

function draft(messages: ChatMessage[], { tools, effort }: PromptOptions): Draft {
  const out: Draft = { ids: [], media: [], spans: [] };
  const text = (value: string) => {
    for (const id of encodeText(value)) out.ids.push(id);
  };
  const head = (effort === null ? "" : `Effort: ${effort}\n`) +
    tools.map((tool) => JSON.stringify(tool.raw)).join("\n");
  const given = messages[0]?.role === "system" ? messages[0] : null;
  if (head !== "" || given !== null) {
    out.ids.push(CONTROL.imStart);
    text(`system\n${head}`);
    for (const part of given?.content ?? []) add(out, part, "system");
    out.ids.push(CONTROL.imEnd, 10);
  }
  for (const message of messages.slice(given === null ? 0 : 1)) {
    const role = message.role === "tool" ? "user" : message.role;
    out.ids.push(CONTROL.imStart);
    text(`${role}\n${message.role === "tool" ? "<tool_response>\n" : ""}`);
    for (const part of message.content) add(out, part, message.role);
    for (const call of message.toolCalls ?? []) {
      text(`\n<tool_call>\n{"name": "${call.name}", "arguments": ${call.arguments}}\n</tool_call>`);
    }
    if (message.role === "tool") text("\n</tool_response>");
    out.ids.push(CONTROL.imEnd, 10);
  }
  out.ids.push(CONTROL.imStart);
  text("assistant\n");
  return out;
}

function add(out: Draft, part: ChatPart, role: string): void {
  if (part.type === "text") {
    for (const id of encodeText(part.text)) out.ids.push(id);
    return;
  }
  if (role === "system" || role === "assistant") {
    throw new PromptError(`A ${role} message takes text only, not ${part.type}`, "unsupported_content");
  }
  out.ids.push(CONTROL.mediaStart);
  if (part.type === "image") run(out, feature("image", [part.image], imageTokens(part.image)));
  else if (part.type === "audio") run(out, sound(part.audio.samples, part.audio.sampleRate));
  else {
    const { frames, audio } = part.video;
    if (frames.length === 0) throw new PromptError("A video needs frames", "invalid_video");
    const video = feature("video", frames, Math.ceil(frames.length / 2) * imageTokens(frames[0]));
    if (audio === null) run(out, video);
    else interleave(out, video, sound(audio.samples, audio.sampleRate));
  }
  out.ids.push(CONTROL.mediaEnd);
}

function run(out: Draft, medium: MediaFeature): void {
  out.spans.push({ media: out.media.length, start: out.ids.length, length: medium.tokens, offset: 0 });
  out.media.push(medium);
  for (let i = 0; i < medium.tokens; i++) out.ids.push(CONTROL[medium.kind]);
}

/** Runs of four tokens in turn, as a video with its sound is laid out. */
function interleave(out: Draft, ...media: MediaFeature[]): void {
  const first = out.media.length;
  out.media.push(...media);
  for (let offset = 0; media.some(({ tokens }) => offset < tokens); offset += 4) {
    media.forEach(({ kind, tokens }, index) => {
      const length = Math.min(4, tokens - offset);
      if (length <= 0) return;
      out.spans.push({ media: first + index, start: out.ids.length, length, offset });
      for (let i = 0; i < length; i++) out.ids.push(CONTROL[kind]);
    });
  }
}

function imageTokens({ width, height }: Raster): number {
  return Math.min(1024, Math.max(1, Math.round(width / 32)) * Math.max(1, Math.round(height / 32)));
}

function feature(kind: MediaKind, rasters: Raster[], tokens: number): MediaFeature {
  const hash = createHash("sha256").update(kind);
  for (const { width, height, rgb } of rasters) hash.update(`${width}x${height};`).update(rgb);
  return { kind, digest: hash.digest("hex"), tokens, data: new Float32Array(tokens), shape: [tokens] };
}

function sound(samples: Float32Array, sampleRate: number): MediaFeature {
  const hash = createHash("sha256").update(`audio${sampleRate};`);
  hash.update(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
  const tokens = Math.max(1, Math.ceil(samples.length / sampleRate * 13));
  return {
    kind: "audio",
    digest: hash.digest("hex"),
    tokens,
    data: new Float32Array(tokens),
    shape: [tokens],
  };
}
