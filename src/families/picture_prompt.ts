/**
 * The prompt side of the families whose pictures are one `<image>` each: conversation → ids with every picture's tokens in
 * place (VALLEY2_5.md, VALLEY2.md). What differs between them is a `PictureFamily`.
 */
import {
  type ChatMessage,
  type MediaFeature,
  type MediaLimits,
  type MediaSpan,
  type Prompt,
  type PromptBuilder,
  PromptError,
  type PromptOptions,
  type Raster,
  type VideoPlan,
} from "./family.ts";
import type { CheckpointFiles } from "../prompt/checkpoint_files.ts";
import type { Rendered } from "../prompt/control_text.ts";
import type { Media } from "../prompt/media.ts";
import { PLAIN_IMAGE } from "../prompt/pixels.ts";
import type { PixelLimits } from "../prompt/smart_resize.ts";
import { type ChatTemplate, markFor, render } from "../prompt/template.ts";
import { Tokenizer } from "../prompt/tokenizer.ts";
import {
  expandStandIn,
  IMAGE,
  placeOfficial,
  placeParts,
  type Placing,
  withSystem,
} from "./picture_conversation.ts";
import { TokenPrompt, tooLong } from "./token_prompt.ts";

/** −200 as an unsigned word: what `<image>` becomes before pictures are put in. */
export const IMAGE_ID = -200 >>> 0;
const MAX_TURN = 50_000;
/** What the official processor shows the model where a conversation has no picture. */
const BLACK: Raster = { width: 3, height: 3, rgb: new Uint8Array(27) };

interface Picture {
  raster: Raster;
  kind: "image" | "video";
}

/** What a family's official code does with pictures and text. */
export interface PictureFamily {
  /** As messages name it: "Valley2.5". */
  name: string;
  maxContext: number;
  placing: Placing;
  /** For checkpoints that bring no chat template. */
  template: ChatTemplate;
  /** The system prompt that this family's code or effort asks for. */
  steer?(messages: ChatMessage[], effort: PromptOptions["effort"]): ChatMessage[];
  /** Most pictures of a conversation; absent: as many as fit the context. */
  maxPictures?: number;
  /** Limits of each of so many pictures. Throws PromptError on a request's limit that does not fit. */
  limits(pictures: number, asked?: MediaLimits): PixelLimits;
  /** Throws PromptError on a picture that cannot be resized. */
  tokensOf(picture: Raster, pictures: number, limits: PixelLimits): number;
  featureOf(media: Media, picture: Raster, pictures: number, limits: PixelLimits): Promise<MediaFeature>;
  videoPlan(limits?: MediaLimits): VideoPlan;
}

export class PicturePrompt extends TokenPrompt implements PromptBuilder {
  readonly imageOptions = PLAIN_IMAGE;
  readonly #template: ChatTemplate;
  /** The id that stands at a picture's tokens; their embeddings are replaced. */
  readonly #filler: number;

  /** @throws Error where the tokenizer lacks the picture markers. */
  constructor(files: CheckpointFiles, private readonly family: PictureFamily, private readonly media: Media) {
    super(new Tokenizer(files.tokenizer, [{ id: IMAGE_ID, content: IMAGE }]));
    for (const marker of ["<im_start>", "<im_end>"]) {
      if (!this.tokenizer.added.has(marker)) {
        throw new Error(`Cannot use tokenizer.json: it has no added token ${marker}`);
      }
    }
    this.#filler = this.tokenizer.tokenId("<|image_pad|>") ?? this.tokenizer.tokenId("<im_start>")!;
    this.#template = files.template ?? family.template;
  }

  render(messages: ChatMessage[], options: PromptOptions): string {
    return this.#render(messages, options).text;
  }

  async build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt> {
    const { text, blocked } = this.#render(messages, options);
    const { family, media } = this;
    const given = picturesIn(messages);
    const black: Picture[] = family.placing.black ? [{ raster: BLACK, kind: "image" }] : [];
    const pictures = given.length > 0 ? given : black;
    const many = pictures.length;
    if (many > (family.maxPictures ?? Infinity)) {
      throw new PromptError(
        `${family.name} takes ${family.maxPictures} pictures, not ${many}`,
        "too_many_images",
      );
    }
    const limits = family.limits(many, options.limits);
    const { maxContext } = family;
    const ids = await this.tokenizer.encodeLong(text, blocked, maxContext);
    const tokens = pictures.reduce(
      (sum, { raster }) => sum + family.tokensOf(raster, many, limits),
      ids?.length ?? 0,
    );
    if (ids === null || tokens > maxContext) throw tooLong(maxContext);
    const features = await Promise.all(
      pictures.map(({ raster }) => family.featureOf(media, raster, many, limits)),
    );
    const count = (kind: Picture["kind"]) =>
      features.reduce((sum, feature, i) => sum + (pictures[i].kind === kind ? feature.tokens : 0), 0);
    return {
      ...splice(ids, features, this.#filler),
      positions: null,
      ropeDelta: 0,
      media: features,
      mediaTokens: { image: count("image"), video: count("video"), audio: 0 },
    };
  }

  override encode(text: string): Uint32Array {
    const blocked = new Set<number>();
    for (let at = text.indexOf(IMAGE); at >= 0; at = text.indexOf(IMAGE, at + 1)) blocked.add(at);
    return this.tokenizer.encode(text, blocked);
  }

  videoPlan(limits?: MediaLimits): VideoPlan {
    return this.family.videoPlan(limits);
  }

  #render(
    messages: ChatMessage[],
    { tools, effort, tokenization, enableThinking }: PromptOptions,
  ): Rendered {
    const { family } = this;
    refuseUnknown(messages, family.name);
    const thinks = effort === null ? enableThinking : enableThinking ?? effort !== "minimal";
    const steered = withSystem(family.steer?.(messages, effort) ?? messages);
    const rest = { tools: tools.map(({ raw }) => raw), enableThinking: thinks };
    if (tokenization === "official") {
      const input = { messages: placeOfficial(steered, family.placing), ...rest };
      return render(this.#template, this.control, input, "official");
    }
    const standIn = markFor([messages.map(texts), tools.map(({ raw }) => raw)]);
    const input = { messages: placeParts(steered, standIn, family.placing), ...rest };
    return expandStandIn(render(this.#template, this.control, input, "safe"), standIn);
  }
}

/** What of a message is text: the raster data needs no search. */
const texts = ({ content, toolCalls }: ChatMessage): unknown => [
  content.map((part) => part.type === "text" ? part.text : ""),
  toolCalls ?? [],
];

function picturesIn(messages: ChatMessage[]): Picture[] {
  return messages.flatMap(({ content }) =>
    content.flatMap((part): Picture[] => {
      if (part.type === "image") return [{ raster: part.image, kind: "image" }];
      if (part.type !== "video") return [];
      return part.video.frames.map((raster) => ({ raster, kind: "video" }));
    })
  );
}

/** Sound in any form, pictures outside user turns, and turns over the official length. */
function refuseUnknown(messages: ChatMessage[], name: string): void {
  for (const { role, content } of messages) {
    let length = 0;
    for (const part of content) {
      if (part.type === "text") length += part.text.length;
      else if (part.type === "audio" || (part.type === "video" && part.video.audio !== null)) {
        throw new PromptError(
          `${name} does not hear: it takes text, pictures and videos without sound`,
          "unsupported_content",
        );
      } else if (role !== "user") {
        throw new PromptError(`A ${role} message takes text only, not ${part.type}`, "unsupported_content");
      } else if (part.type === "video" && part.video.frames.length === 0) {
        throw new PromptError("The video has no frames", "too_few_frames");
      }
    }
    if (length > MAX_TURN) {
      throw new PromptError(`A message is longer than ${MAX_TURN} characters`, "message_too_long");
    }
  }
}

/** Puts each picture's tokens in the place of its −200. Throws PromptError where their numbers differ. */
function splice(
  ids: Uint32Array,
  features: MediaFeature[],
  filler: number,
): { ids: Uint32Array; spans: MediaSpan[] } {
  const out: number[] = [], spans: MediaSpan[] = [];
  for (const id of ids) {
    if (id !== IMAGE_ID) {
      out.push(id);
      continue;
    }
    const media = spans.length;
    if (media === features.length) break;
    spans.push({ media, start: out.length, length: features[media].tokens, offset: 0 });
    for (let i = 0; i < features[media].tokens; i++) out.push(filler);
  }
  const places = ids.reduce((sum, id) => sum + (id === IMAGE_ID ? 1 : 0), 0);
  if (places !== features.length) {
    throw new PromptError(
      `The text has ${places} ${IMAGE} for ${features.length} pictures`,
      "placeholder_in_text",
    );
  }
  return { ids: Uint32Array.from(out), spans };
}
