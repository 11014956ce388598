/** Valley2.5 on the device: Qwen2-VL tower with the wide merger → media store; tokens (+ store) → Qwen3 trunk. */
import type { Runtime } from "../../gpu/runtime.ts";
import { Workspace } from "../../gpu/tensor.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Precision } from "../../model/linear_spec.ts";
import { TextTrunk } from "../../model/text_trunk.ts";
import { Qwen2VisionTower } from "../../model/vision_qwen2vl.ts";
import { refuseUnknown } from "../loader.ts";
import { type MediaEncoder, VisualModel, type VisualOptions } from "../visual_model.ts";
import type { Valley25Config } from "./config.ts";

/** Tensors that nothing computes with: with `only_navit` a SigLIP tower and its projector may lie there unused. */
const IGNORED = /rotary_emb\.inv_freq$|^model\.(vision_tower|mm_projector)\./;

/** @throws Error naming a tensor that is missing, has another shape, or is unknown. */
export async function loadValley25(
  runtime: Runtime,
  checkpoint: Checkpoint,
  config: Valley25Config,
  options: VisualOptions & { precision: Precision },
): Promise<VisualModel> {
  const { precision } = options;
  const { text } = config;
  const work = new Workspace(runtime.memory);
  const trunkNames = { trunk: "model.", head: "lm_head" };
  const trunk = TextTrunk.load(runtime, checkpoint, text, trunkNames, precision, work);
  const towerNames = { prefix: "model.qwen2vl_vision_tower.", names: "vision" };
  const tower = Qwen2VisionTower.load(runtime, checkpoint, config.vision, towerNames, precision, work);
  refuseUnknown(checkpoint.unused(IGNORED), checkpoint);
  const encoder: MediaEncoder = {
    encode: (pass, { data, shape }, out) => tower.encode(pass, data, shape, out),
  };
  return await VisualModel.create(runtime, trunk, encoder, work, { family: "valley2_5", ...config }, options);
}
