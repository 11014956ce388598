/**
 * What a model family gives to the rest: a prompt side (CPU: conversation → ids, positions, media features)
 * and a model side (GPU: media encoders and the text trunk). The engine and the server see families through
 * these types alone; neither side knows HTTP.
 */

export type MediaKind = "image" | "video" | "audio";

/** One medium after preprocessing: what the family's encoder reads. */
export interface MediaFeature {
  kind: MediaKind;
  /** sha256 (hex) of preprocessed data ‖ shape ‖ kind ‖ preprocessing version: the cache identity. */
  digest: string;
  /** Prompt tokens that this medium fills. */
  tokens: number;
  /** image, video: patch rows [t·h·w, channels·temporal·patch²]; audio: log-mel [bins, frames]. Row-major. */
  data: Float32Array;
  /** image, video: grid [t, h, w] in patches (not merged); audio: [bins, frames]. */
  shape: number[];
}

/** A run of consecutive prompt tokens filled by one medium. Interleaving (video with sound) makes several. */
export interface MediaSpan {
  /** Index into `Prompt.media`. */
  media: number;
  /** First prompt token of the run. */
  start: number;
  length: number;
  /** Which of the medium's tokens the run begins with. */
  offset: number;
}

/** A conversation, ready for the engine. */
export interface Prompt {
  ids: Uint32Array;
  /** Rotary positions [axes, ids.length], row-major; null: 0, 1, 2 … on every axis. */
  positions: Float32Array | null;
  /** A decoded token at index i has position i + ropeDelta on all axes (may be fractional). */
  ropeDelta: number;
  media: MediaFeature[];
  spans: MediaSpan[];
  /** Media tokens by kind, for `usage`. */
  mediaTokens: { image: number; video: number; audio: number };
}

/** How the next id is drawn from the logits. Everything neutral = greedy. */
export interface Sampling {
  /** 0: greedy. */
  temperature: number;
  /** 1: off. */
  topP: number;
  /** 0: off. */
  topK: number;
  /** 0: off. */
  minP: number;
  /** Counter-based random numbers: the draw depends on (seed, token index) alone, never on the batch. */
  seed: number;
  /** What changes logits before the draw; absent: nothing. */
  adjust?: LogitAdjust;
  /** Log-probabilities wanted of the raw logits: the drawn id's and those of this many largest (0 to 20); absent: none. */
  logprobs?: number;
}

/** Most draws of one sequence in a step. */
export const MAX_DRAWS = 16;

/** Steps that the engine submits before it reads the first of them, at most. */
export const MAX_STEPS_IN_FLIGHT = 32;

/** Most ids of `Sampling.logprobs`. */
export const MAX_LOGPROBS = 20;

/** Changes to logits, in this order: penalties, bias, mask. */
export interface LogitAdjust {
  /** Of ids in prompt or answer: positive logits divided, negative multiplied; 1: off. */
  repetitionPenalty: number;
  /** Times the occurrences in the answer; 0: off. */
  frequencyPenalty: number;
  /** Of ids in the answer; 0: off. */
  presencePenalty: number;
  /** [id, added to its logit]; ids distinct. */
  bias: readonly (readonly [number, number])[];
}

/** One sequence's share of an engine step. */
export interface SequenceStep {
  /** Row of device-side state for this sequence, 0 … info.maxSequences − 1. The id sampled last stays there. */
  slot: number;
  /** Ids to compute, or null: the id sampled last in `slot`, one token (the host need not know it yet). */
  ids: Uint32Array | null;
  /** Index in the sequence of the first token computed here = number of tokens already in the KV cache. */
  start: number;
  /** Rotary positions [axes, count], row-major. */
  positions: Float32Array;
  /** For each token the row of the media store that replaces its embedding, or −1; null: all −1. */
  mediaRows: Int32Array | null;
  /** Block table: KV block of tokens [i·blockSize, (i+1)·blockSize); covers start + count tokens. */
  blocks: Uint32Array;
  /** Draw an id from the last token's logits; null: only fill the cache (a prompt's earlier chunk). */
  sample: Sampling | null;
  /** Draw after each of the last `draws` tokens, one id each in their order (guessed ids are checked so); absent: 1. */
  draws?: number;
  /**
   * With penalties: what the sequence has so far, given once with the first sampling step after the sequence got this
   * slot; the device counts the ids drawn from then on. Absent: the slot's counts go on.
   */
  history?: { prompt: Uint32Array; answer: Uint32Array };
  /** Ids that may be drawn, one bit an id, little end first (grammar); absent: all. */
  mask?: Uint32Array;
}

/** What one sequence's sampling gave. `id` is the drawn token. */
export interface Sampled {
  slot: number;
  id: number;
  /** Where `Sampling.logprobs` asked: of the drawn id. */
  logprob?: number;
  /** The largest, by falling log-probability. */
  top?: { id: number; logprob: number }[];
}

export interface ModelInfo {
  family: string;
  vocabSize: number;
  hiddenSize: number;
  /** Rotary axes: 3 (time, height, width) for M-RoPE, else 1. */
  positionAxes: number;
  /** Longest sequence, prompt and answer, in tokens. */
  maxContext: number;
  /** Ids that end an answer. */
  eosIds: number[];
  modalities: MediaKind[];
  /** KV blocks on the device and tokens in each. */
  numBlocks: number;
  blockSize: number;
  /** Sequences that may be in flight together. */
  maxSequences: number;
  /** Tokens that one step may compute over all its sequences. */
  maxBatchTokens: number;
  /** Rows of the media store (one row = one media token). */
  mediaRows: number;
  /** What `doctor` and logs say of the device. */
  device: string;
}

/** A submitted step whose ids have not been read yet. */
export interface StepHandle {
  readonly id: number;
}

/** A loaded model on a device (or a fake one). All methods queue work in call order; only `read` waits. */
export interface Model {
  readonly info: ModelInfo;
  /** Encodes one medium into media-store rows [row, row + feature.tokens). */
  encodeMedia(feature: MediaFeature, row: number): void;
  /** Encodes and submits one step: a batch of any mix of prefill chunks and single decode tokens. */
  step(batch: SequenceStep[]): StepHandle;
  /**
   * Ids sampled by these steps: one list a step, in batch order without the entries whose `sample` was null (an entry
   * with `draws` has as many).
   * Resolves when the device has finished all of them (one read-back for the whole group; the engine may have
   * submitted later steps meanwhile). Each step is read once, in the order of submission, also steps that sampled
   * nothing. Rejects when the device is lost.
   */
  read(steps: readonly StepHandle[]): Promise<Sampled[][]>;
  /** Keys and values of whole KV blocks, one byte string a block (all layers), for saving; waits for submitted work. */
  readBlocks(blocks: Uint32Array): Promise<Uint8Array[]>;
  /** Puts byte strings of `readBlocks` into blocks; queued in call order. @throws Error when a size does not fit. */
  writeBlocks(blocks: Uint32Array, data: readonly Uint8Array[]): void;
  /** Encoded media rows [row, row + count) (embeddings and deepstack), for saving. */
  readMedia(row: number, count: number): Promise<Uint8Array>;
  writeMedia(row: number, count: number, data: Uint8Array): void;
  /** Resolves with the reason when the device is lost; absent: it cannot be. */
  readonly whenLost?: Promise<string>;
  /** Buffers and textures that are allocated now, and their bytes; absent: there is no device. */
  deviceMemory?(): { allocations: number; bytes: number };
  /** Frees all device memory. */
  destroy(): void;
}

/** One message of a conversation after the server has parsed it and fetched and decoded its media. */
export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: ChatPart[];
  toolCalls?: { name: string; /** JSON text */ arguments: string }[];
}

export type ChatPart =
  | { type: "text"; text: string }
  | { type: "image"; image: Raster }
  | { type: "audio"; audio: Wave }
  | { type: "video"; video: Clip };

/** A decoded picture: 8-bit RGB, row-major, EXIF and alpha already treated as the family wants. */
export interface Raster {
  width: number;
  height: number;
  rgb: Uint8Array;
}

/** How a family's official code takes pictures. */
export interface ImageOptions {
  /** Valley3: true. The older families' official code ignores EXIF orientation. */
  applyOrientation: boolean;
  /** white: composed over white, round((c·a + 255·(255 − a))/255); drop: the colour as it is under any alpha. */
  alpha: "white" | "drop";
}

/** A decoded sound: mono float samples as decoded, before resampling. */
export interface Wave {
  sampleRate: number;
  samples: Float32Array;
}

/** Sampled frames of a video, and its soundtrack where the request uses it. */
export interface Clip {
  frames: Raster[];
  /** Frames a second at which `frames` were asked for; null: the processor's default. */
  fps: number | null;
  audio: Wave | null;
  /** Frames have the family's size already (`decodeVideo` with a plan); else `build` resizes them. */
  fitted?: boolean;
  /** Frames come from one video file, and were not given as pictures. */
  file?: boolean;
}

/** What a request asks of preprocessing (`mm_processor_kwargs`); it may only lower what the model and server allow. */
export interface MediaLimits {
  /** Of a picture or one frame of a video. */
  minPixels?: number;
  maxPixels?: number;
  /** Frames a second taken from a video; `nframes` (a number of frames) excludes it. */
  fps?: number;
  nframes?: number;
  minFrames?: number;
  maxFrames?: number;
}

/** How a video file is sampled and its frames are sized: made by `PromptBuilder.videoPlan`, used by `decodeVideo`. */
export interface VideoPlan {
  /** Asked by the request; null: `defaultFps`. */
  fps: number | null;
  nframes: number | null;
  defaultFps: number;
  minFrames: number;
  maxFrames: number;
  /** The number of frames is a multiple of this. */
  frameFactor: number;
  /** Even spacing of `nframes` frames cut down, as the older families do; absent: qwen_vl_utils' rule. */
  spread?: boolean;
  /** Frames come at the file's own size: the family resizes them in its own way. */
  raw?: boolean;
  /** Sides of a frame become multiples of this. */
  sizeFactor: number;
  minPixels: number;
  maxPixels: number;
  /** A frame gets at most totalPixels / frames (though not under 1.05 · minPixels); null: no such rule. */
  totalPixels: number | null;
}

export interface ToolDefinition {
  name: string;
  /** The tool object as the client sent it, key order kept. */
  raw: unknown;
}

export type Effort = "minimal" | "medium" | "high";

export interface PromptOptions {
  tools: ToolDefinition[];
  /** null: no thinking prompt. */
  effort: Effort | null;
  /** "safe": content that spells a control token stays text; "official": the whole rendered prompt is encoded. */
  tokenization: "safe" | "official";
  /** For pictures and lists of frames; video files are held to them by `videoPlan`. */
  limits?: MediaLimits;
  /** For templates that know `enable_thinking`; absent: the template's own default. */
  enableThinking?: boolean;
}

/** The CPU side of a family. */
export interface PromptBuilder {
  /** Rendered text before expansion (for /apply-template and tests). */
  render(messages: ChatMessage[], options: PromptOptions): string;
  /** Conversation → ids, positions and media features. Throws `PromptError` on what the model cannot take. */
  build(messages: ChatMessage[], options: PromptOptions): Promise<Prompt>;
  /** For short texts: nobody has a turn meanwhile. */
  encode(text: string): Uint32Array;
  /** As `encode`, others having their turn; null: there are more than `most` ids. */
  encodeLong(text: string, most: number): Promise<Uint32Array | null>;
  /** Ids → text; control tokens are left out unless `keepSpecial`. */
  decode(ids: ArrayLike<number>, keepSpecial?: boolean): string;
  /** UTF-8 bytes of one id (may be part of a character); empty for an unknown id. */
  tokenBytes(id: number): Uint8Array;
  /** How this model takes a picture file; frames of a video given as pictures too. */
  readonly imageOptions: ImageOptions;
  /** How this model takes a video file. Throws `PromptError` naming a limit that the request exceeds. */
  videoPlan(limits?: MediaLimits): VideoPlan;
  /** Decoder for ids that come one by one: `push` gives the text that an id completes, `end` what was held back. */
  detokenizer(keepSpecial?: boolean): { push(id: number): string; end(): string };
}

/** What the server must know of a model beside its prompt builder. */
export interface ModelCard {
  /** `none`: an effort asked for is refused; `optional`: it thinks when asked; `prompted`: medium unless asked. */
  reasoning: "none" | "optional" | "prompted";
  /** null: thoughts and answers are not marked. */
  tags: AnswerTags | null;
  /** What the model writes around its answer as text; absent: nothing. */
  edges?: AnswerEdges;
  modalities: MediaKind[];
  /** What holds where a request says nothing (generation_config.json; `do_sample` false: greedy). */
  sampling: Omit<Sampling, "seed">;
}

/** How the model marks a thought, and the answer after it: [opening tag, closing tag]. */
export interface AnswerTags {
  thought: readonly [string, string];
  /** null: the answer has no tags. */
  answer: readonly [string, string] | null;
}

/** White space at both ends of the answer goes too. */
export interface AnswerEdges {
  /** Dropped from the beginning, in any number. */
  labels: readonly string[];
  /** Ends the answer wherever it stands after the labels. */
  end: string;
}

/** A conversation that the model cannot take; the server answers 400 with `code` and the field. */
export class PromptError extends Error {
  constructor(
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = "messages",
  ) {
    super(message);
    this.name = "PromptError";
  }
}
