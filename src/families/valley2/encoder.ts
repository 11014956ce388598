/**
 * A picture through both towers: SigLIP tiles → soft visual words, cut and pooled; the whole picture → Qwen2-VL tokens.
 * CRITICAL order: thumbnail, tiles, Qwen2-VL; nothing between them.
 */
import type { MediaFeature } from "../family.ts";
import type { Pass } from "../../gpu/pass.ts";
import type { Runtime } from "../../gpu/runtime.ts";
import { rowsOf, type Tensor, type Workspace } from "../../gpu/tensor.ts";
import { mix } from "../../model/mix.ts";
import { type ClipVisionTower, patchesOfSide, patchRowWidth } from "../../model/vision_clip.ts";
import type { Qwen2VisionTower } from "../../model/vision_qwen2vl.ts";
import type { VisualWords } from "../../model/visual_words.ts";
import type { MediaEncoder } from "../visual_model.ts";
import type { Valley2Config } from "./config.ts";
import { pictureTokens, readPicture } from "./picture.ts";
import { tokenRows } from "./tiling.ts";

/** Tiles that go through SigLIP together: their words are 50 MB each time at 32,000 of them. */
const TILES_AT_ONCE = 2;

export class Valley2Encoder implements MediaEncoder {
  constructor(
    private readonly runtime: Runtime,
    private readonly config: Valley2Config,
    private readonly siglip: ClipVisionTower,
    private readonly projector: VisualWords,
    private readonly qwen2vl: Qwen2VisionTower,
    private readonly work: Workspace,
  ) {}

  encode(pass: Pass, feature: MediaFeature, out: Tensor): Tensor[] {
    const { config, work, runtime } = this;
    const picture = readPicture(feature, config);
    const { tiles, width, height, grid, pixels, patches } = picture;
    const [first, second] = pictureTokens(picture, config);
    if (first + second !== out.rows) {
      throw new Error(`Cannot encode a picture of ${first + second} tokens into ${out.rows} rows`);
    }
    const used: Tensor[] = [];
    const own = this.projector.side ** 2;
    const tokens = work.get("projector tokens", tiles * own, out.cols);
    const numbers = patchesOfSide(config.siglip) ** 2 * patchRowWidth(config.siglip);
    for (let tile = 0; tile < tiles; tile += TILES_AT_ONCE) {
      const count = Math.min(TILES_AT_ONCE, tiles - tile);
      const part = pixels.subarray(tile * numbers, (tile + count) * numbers);
      const { x, used: more } = this.siglip.encode(pass, part, count);
      used.push(...more);
      pass.copy(this.projector.project(pass, x, count), rowsOf(tokens, tile * own, count * own));
    }
    const parts = tokenRows(width, height, tiles > 1, config.tiling);
    const most = Math.max(...parts.map((p) => p.length));
    const shares = Float32Array.from({ length: most }, (_, i) => 1 / (i + 1));
    const rows = parts.map((part) => part.map((row) => [row, part.length - 1] as const));
    used.push(...mix(pass, runtime, tokens, rows, shares, out));
    const merged = work.get("qwen2vl out", second, out.cols);
    used.push(...this.qwen2vl.encode(pass, patches, [1, ...grid], merged));
    pass.copy(merged, rowsOf(out, first, second));
    return used;
  }
}
