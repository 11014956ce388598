/** `samples/answers.json` of a demo checkpoint: files and questions → the prompt's ids and greedy answers of the official code. */
import type { ChatMessage, ChatPart, Model, Prompt } from "../../src/families/family.ts";
import { loadModel } from "../../src/families/registry.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { loadPrompt } from "../../src/families/registry_prompt.ts";
import type { Media } from "../../src/prompt/media.ts";
import type { CaseResult, GoldenOptions } from "./report.ts";

/** A question about one file or none, or (`messages`) a whole conversation in OpenAI's form; paths as in `file`. */
interface Answer {
  file?: string;
  kind?: "image" | "audio" | "video" | "text";
  question?: string;
  id?: string;
  messages?: WireMessage[];
  tools?: { function: { name: string } }[];
  /** The one video's sampled frames as pictures of the model's size, and its sound. */
  frames?: string[];
  sound?: string;
  prompt_ids: number[];
  answer_ids: number[];
}

interface WireMessage {
  role: ChatMessage["role"];
  content: string | WirePart[];
  tool_calls?: { function: { name: string; arguments: string } }[];
}

type WirePart =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: { url: string } }
  | { type: "audio_url"; audio_url: { url: string } }
  | { type: "video_url" };

/** Runs every answer of a folder; one result each. */
export async function runAnswers(dir: string, options: GoldenOptions, media: Media): Promise<CaseResult[]> {
  const answers: Answer[] = JSON.parse(Deno.readTextFileSync(`${dir}/samples/answers.json`));
  if (!Array.isArray(answers) || !answers.length) {
    throw new Error(`Cannot run ${dir}: samples/answers.json is empty`);
  }
  const { prompt } = await loadPrompt(dir, media);
  const model = await loadModel(dir, {
    precision: options.dtype,
    kvPrecision: options.dtype,
    maxSequences: 1,
    profile: options.profile ? PROFILES[options.profile] : null,
  });
  const results: CaseResult[] = [];
  try {
    for (const answer of answers) {
      const result: CaseResult = {
        name: answer.id ?? `${answer.file ?? "text"}: ${answer.question}`,
        lines: [],
        failures: [],
      };
      const messages = await conversation(`${dir}/samples`, answer, media);
      const tools = (answer.tools ?? []).map((raw) => ({ name: raw.function.name, raw }));
      const built = await prompt.build(messages, { tools, effort: null, tokenization: "official" });
      const same = built.ids.length === answer.prompt_ids.length &&
        built.ids.every((id, i) => id === answer.prompt_ids[i]);
      if (!same) result.failures.push(`prompt ids: [${built.ids}], expected [${answer.prompt_ids}]`);
      const ids = await greedy(model, built, answer.answer_ids.length);
      const differs = answer.answer_ids.findIndex((id, i) => id !== ids[i]);
      result.lines.push(`${answer.answer_ids.length} ids, "${prompt.decode(ids)}"`);
      if (differs >= 0) {
        result.failures.push(`answer id ${differs}: ${ids[differs]}, expected ${answer.answer_ids[differs]}`);
      }
      results.push(result);
    }
  } finally {
    model.destroy();
  }
  return results;
}

async function conversation(folder: string, answer: Answer, media: Media): Promise<ChatMessage[]> {
  const wire = answer.messages ?? [{
    role: "user" as const,
    content: [
      ...(answer.file ? [filePart(answer)] : []),
      { type: "text" as const, text: answer.question ?? "" },
    ],
  }];
  return await Promise.all(wire.map(async ({ role, content, tool_calls }) => {
    const parts: WirePart[] = typeof content === "string" ? [{ type: "text", text: content }] : content;
    return {
      role,
      content: await Promise.all(
        parts.filter((p) => p.type !== "text" || p.text !== "").map((p) => part(folder, p, answer, media)),
      ),
      ...(tool_calls ? { toolCalls: tool_calls.map((call) => call.function) } : {}),
    };
  }));
}

function filePart({ file, kind }: Answer): WirePart {
  const url = `file:${file!.replace(/^samples\//, "")}`;
  if (kind === "image") return { type: "image_url", image_url: { url } };
  if (kind === "audio") return { type: "audio_url", audio_url: { url } };
  throw new Error(`Cannot run ${file}: kind ${kind} without messages`);
}

async function part(folder: string, part: WirePart, answer: Answer, media: Media): Promise<ChatPart> {
  const read = (url: string) => Deno.readFileSync(`${folder}/${url.replace(/^file:/, "")}`);
  switch (part.type) {
    case "text":
      return part;
    case "image_url":
      return { type: "image", image: await media.decodeImage(read(part.image_url.url)) };
    case "audio_url":
      return { type: "audio", audio: await media.decodeAudio(read(part.audio_url.url)) };
    case "video_url": {
      const frames = await Promise.all((answer.frames ?? []).map((file) => media.decodeImage(read(file))));
      const audio = answer.sound ? await media.decodeAudio(read(answer.sound)) : null;
      return { type: "video", video: { frames, fps: null, audio, fitted: true, file: true } };
    }
  }
}

/** Greedy ids of one prompt, straight on the model (no engine). */
export async function greedy(model: Model, prompt: Prompt, count: number): Promise<number[]> {
  const { info } = model;
  const length = prompt.ids.length;
  const rows = new Int32Array(length).fill(-1);
  let row = 0;
  const first = prompt.media.map((m) => {
    const at = row;
    model.encodeMedia(m, at);
    row += m.tokens;
    return at;
  });
  for (const s of prompt.spans) {
    for (let i = 0; i < s.length; i++) rows[s.start + i] = first[s.media] + s.offset + i;
  }
  const blocks = Uint32Array.from({ length: Math.ceil((length + count) / info.blockSize) }, (_, i) => i);
  const sample = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 0 };
  const axes = info.positionAxes;
  const plain = Float32Array.from({ length: axes * length }, (_, i) => i % length);
  const handles = [model.step([{
    slot: 0,
    ids: prompt.ids,
    start: 0,
    positions: prompt.positions ?? plain,
    mediaRows: prompt.media.length ? rows : null,
    blocks,
    sample,
  }])];
  for (let i = 1; i < count; i++) {
    const at = length + i - 1;
    const positions = new Float32Array(axes).fill(at + prompt.ropeDelta);
    handles.push(model.step([{ slot: 0, ids: null, start: at, positions, mediaRows: null, blocks, sample }]));
  }
  return (await model.read(handles)).map((s) => s[0].id);
}
