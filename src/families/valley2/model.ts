/** Valley2 on the device: both towers → media store; tokens (+ store) → Qwen2 trunk. */
import type { Runtime } from "../../gpu/runtime.ts";
import { Workspace } from "../../gpu/tensor.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Precision } from "../../model/linear_spec.ts";
import { TextTrunk } from "../../model/text_trunk.ts";
import { ClipVisionTower, patchesOfSide } from "../../model/vision_clip.ts";
import { Qwen2VisionTower } from "../../model/vision_qwen2vl.ts";
import { VisualWords } from "../../model/visual_words.ts";
import { refuseUnknown } from "../loader.ts";
import { VisualModel, type VisualOptions } from "../visual_model.ts";
import type { Valley2Config } from "./config.ts";
import { Valley2Encoder } from "./encoder.ts";

const SIGLIP = "model.vision_tower.vision_tower.vision_model.";
/** Tensors that nothing computes with: SigLIP's pooling head. */
const IGNORED = /rotary_emb\.inv_freq$|\.position_ids$|\.vision_model\.head\./;

/** @throws Error naming a tensor that is missing, has another shape, or is unknown. */
export async function loadValley2(
  runtime: Runtime,
  checkpoint: Checkpoint,
  config: Valley2Config,
  options: VisualOptions & { precision: Precision },
): Promise<VisualModel> {
  const { precision } = options;
  const { siglip, words } = config;
  const work = new Workspace(runtime.memory);
  // The code resizes the vocabulary to the tokenizer's: the tensors know its size.
  const vocabSize = checkpoint.rowsOf("model.embed_tokens.weight", config.text.vocabSize);
  const text = { ...config.text, vocabSize };
  const trunk = TextTrunk.load(
    runtime,
    checkpoint,
    text,
    { trunk: "model.", head: "lm_head" },
    precision,
    work,
  );
  const taps = { first: "siglip.embeddings", layer: "siglip.layer_out", last: "siglip.last" };
  const tower = ClipVisionTower.load(runtime, checkpoint, siglip, { prefix: SIGLIP, taps }, precision, work);
  const shape = { hidden: siglip.hidden, words, outHidden: text.hidden, side: patchesOfSide(siglip) };
  const projector = VisualWords.load(runtime, checkpoint, shape, "model.mm_projector.", precision, work);
  const second = { prefix: "model.qwen2vl_vision_tower.", names: "qwen2vl" };
  const qwen2vl = Qwen2VisionTower.load(runtime, checkpoint, config.qwen2vl, second, precision, work);
  refuseUnknown(checkpoint.unused(IGNORED), checkpoint);
  const encoder = new Valley2Encoder(runtime, config, tower, projector, qwen2vl, work);
  return await VisualModel.create(runtime, trunk, encoder, work, { family: "valley2", ...config }, options);
}
