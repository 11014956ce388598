/** Valley (2023) on the device: CLIP, projector, pooling over frames → media store; tokens (+ store) → LLaMA trunk. */
import type { MediaFeature } from "../family.ts";
import type { Pass } from "../../gpu/pass.ts";
import type { Runtime } from "../../gpu/runtime.ts";
import { rowsOf, type Tensor, Workspace } from "../../gpu/tensor.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { FramePooling } from "../../model/frame_pooling.ts";
import { type Linear, linear } from "../../model/linear.ts";
import { loadLinear } from "../../model/linear_load.ts";
import type { Precision } from "../../model/linear_spec.ts";
import { TextTrunk } from "../../model/text_trunk.ts";
import { ClipVisionTower, patchesOfSide, patchRowWidth } from "../../model/vision_clip.ts";
import { refuseUnknown } from "../loader.ts";
import { type MediaEncoder, VisualModel, type VisualOptions } from "../visual_model.ts";
import type { Valley1Config } from "./config.ts";

const TOWER = "model.vision_tower.vision_model.";
/** Tensors that nothing computes with: the layer that v3 copied from, tables (and CLIP past the selected layer). */
const IGNORED = /rotary_emb\.inv_freq$|\.position_ids$|\.post_layernorm\.|^model\.transforemr_adding_layer\./;

/** @throws Error naming a tensor that is missing, has another shape, or is unknown. */
export async function loadValley1(
  runtime: Runtime,
  checkpoint: Checkpoint,
  config: Valley1Config,
  options: VisualOptions & { precision: Precision },
): Promise<VisualModel> {
  const { precision } = options;
  const { vision, pooling } = config;
  if (!checkpoint.has(`${TOWER}embeddings.class_embedding`)) {
    throw new Error(
      `Cannot load ${checkpoint.folder}: the tensors of the vision tower (${TOWER}…) are missing; ` +
        "they are those of the checkpoint that mm_vision_tower in config.json names",
    );
  }
  const work = new Workspace(runtime.memory);
  // Tokens were added to LLaMA's vocabulary: the tensors know its size.
  const vocabSize = checkpoint.rowsOf("model.embed_tokens.weight", config.text.vocabSize);
  const text = { ...config.text, vocabSize };
  const names = { trunk: "model.", head: "lm_head" };
  const trunk = TextTrunk.load(runtime, checkpoint, text, names, precision, work);
  const taps = { patches: "vision.patch_embed", first: "vision.pre_layernorm", layer: "vision.block_out" };
  const tower = ClipVisionTower.load(runtime, checkpoint, vision, { prefix: TOWER, taps }, precision, work);
  const projector = loadLinear(runtime, checkpoint, {
    name: "mm_projector",
    k: vision.hidden,
    sources: [{ name: "model.mm_projector.weight", n: text.hidden }],
    bias: ["model.mm_projector.bias"],
    precision,
  });
  const frames = FramePooling.load(runtime, checkpoint, pooling, "model.", precision, work);
  const past = (name: string): boolean =>
    name.startsWith(TOWER) && Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? -1) >= vision.layers;
  refuseUnknown(checkpoint.unused(IGNORED).filter((name) => !past(name)), checkpoint);
  const encoder = new Valley1Encoder(config, tower, projector, frames, work);
  return await VisualModel.create(runtime, trunk, encoder, work, { family: "valley1", ...config }, options);
}

class Valley1Encoder implements MediaEncoder {
  constructor(
    private readonly config: Valley1Config,
    private readonly tower: ClipVisionTower,
    private readonly projector: Linear,
    private readonly pooling: FramePooling,
    private readonly work: Workspace,
  ) {}

  /** `feature`: rows of CLIP patches of all frames, shape [frames]. `out`: [patches + frames, hidden]. */
  encode(pass: Pass, { data, shape }: MediaFeature, out: Tensor): Tensor[] {
    const { tower, config: { vision } } = this;
    const [frames] = shape;
    const patches = patchesOfSide(vision) ** 2;
    if (shape.length !== 1 || data.length !== frames * patches * patchRowWidth(vision)) {
      throw new Error(`Cannot encode ${data.length} numbers as frames of shape [${shape}]`);
    }
    const { x, used } = tower.encode(pass, data, frames);
    const z = this.work.get("projected", x.rows, out.cols);
    linear(pass, this.projector, x, z); // CRITICAL: the class token too
    if (pass.tapped) {
      for (const f of new Set([0, frames - 1])) {
        const first = f * tower.tokens;
        pass.tap(`vision.selected.frame${f}`, rowsOf(x, first, tower.tokens));
        pass.tap(`vision.projected.frame${f}`, rowsOf(z, first, tower.tokens));
      }
    }
    return [...used, ...this.pooling.pool(pass, z, frames, out)];
  }
}
