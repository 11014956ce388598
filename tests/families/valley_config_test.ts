/** config.json of the older families: which is whose, and what is refused by name. */
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { isTextModel } from "../../src/families/text/config.ts";
import { chosen } from "../../src/families/prompt_options.ts";
import { isValley1, readValley1Config } from "../../src/families/valley1/config.ts";
import { splices } from "../../src/families/valley1/splice.ts";
import { isValley2, readValley2Config } from "../../src/families/valley2/config.ts";
import { keptMap, layoutOf, tokenRows } from "../../src/families/valley2/tiling.ts";
import { isValley25, readValley25Config } from "../../src/families/valley2_5/config.ts";

const read = (path: string): Record<string, unknown> =>
  JSON.parse(Deno.readTextFileSync(new URL(`../fixtures/${path}/config.json`, import.meta.url)));

const CONFIGS = {
  valley2_5: read("valley2_5/_model"),
  valley2: read("valley2/_model"),
  valley1: read("valley1/_model-v3"),
};

Deno.test("each config belongs to one family", () => {
  const owners = Object.entries(CONFIGS).map(([name, config]) => [
    name,
    [isValley25(config), isValley2(config), isValley1(config), isTextModel(config)],
  ]);
  assertEquals(owners, [
    ["valley2_5", [true, false, false, false]],
    ["valley2", [false, true, false, false]],
    ["valley1", [false, false, true, false]],
  ]);
});

Deno.test("published sizes hold where the config is silent", () => {
  const { vision_config: _, ...official } = CONFIGS.valley1;
  const one = readValley1Config({ ...official, mm_hidden_size: 1024, hidden_size: 4096 });
  assertEquals(one.vision.layers, 23); // −2 of 24: block 22 is the last that runs
  assertEquals([one.pooling.variant, one.pooling.patches, one.markers], ["v3", 256, null]);
  const { siglip_config: _s, qwen2vl_vit_config: _q, ...two } = CONFIGS.valley2;
  const published = { ...two, vit_crop_size: 384, num_patches_per_side: 14, mm_hidden_size: 1152 };
  const { siglip, tiling, qwen2vl } = readValley2Config(published);
  assertEquals([siglip.layers, siglip.side, tiling.side, qwen2vl.depth], [27, 384, 14, 32]);
});

Deno.test("what is not computed is refused by name", async () => {
  const cases: [keyof typeof CONFIGS, Record<string, unknown>, RegExp][] = [
    ["valley2_5", { use_sliding_window: true }, /use_sliding_window is true/],
    ["valley2_5", { navit_merger_hidden_dim: null }, /navit_merger_hidden_dim/],
    ["valley2_5", { vision_config: { patch_size: 16 } }, /vision_config.patch_size is 16, known: 14/],
    ["valley2_5", { hidden_act: "gelu" }, /hidden_act is "gelu"/],
    ["valley2", { qwen2vl_vit_config: { spatial_merge_size: 4 } }, /spatial_merge_size is 4, known: 2/],
    ["valley2", { qwen2vl_vit_config: { hidden_size: 3584 } }, /qwen2vl_vit_config.hidden_size is 3584/],
    ["valley2", { mm_projector_type: "mlp_pixel_shuffle" }, /mm_projector_type is "mlp_pixel_shuffle"/],
    ["valley2", { tokenize_function: "st_argmax" }, /tokenize_function is "st_argmax"/],
    ["valley2", { eagle_vision_tower: null }, /eagle_vision_tower is missing/],
    ["valley2", { grid_pinpoints: "[(1,2)]" }, /grid_pinpoints/],
    ["valley2", { grid_pinpoints: "(3x3),...,(1x1)" }, /grid_pinpoints/],
    ["valley2", { num_patches_per_side: 14 }, /num_patches_per_side is not 2/],
    ["valley2", { vit_crop_size: 384 }, /vit_crop_size is 384/],
    ["valley2", { token_compressor_config: {} }, /token_compressor_config/],
    ["valley2", { rope_scaling: { type: "yarn" } }, /rope_scaling/],
    ["valley1", { mm_use_im_start_end: false }, /mm_use_im_start_end is false/],
    ["valley1", { mm_vision_select_layer: -9 }, /mm_vision_select_layer -9/],
    ["valley1", { mm_hidden_size: 1024 }, /mm_hidden_size/],
    ["valley1", { vision_config: { hidden_act: "gelu" } }, /vision_config.hidden_act is "gelu"/],
  ];
  const readers = { valley2_5: readValley25Config, valley2: readValley2Config, valley1: readValley1Config };
  for (const [family, change, pattern] of cases) {
    await assertThrows(() => readers[family]({ ...CONFIGS[family], ...change }), pattern);
  }
});

Deno.test("keys that nobody understands are named, those of the fixtures are not", () => {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  try {
    readValley25Config(CONFIGS.valley2_5);
    readValley2Config(CONFIGS.valley2);
    readValley1Config(CONFIGS.valley1);
    assertEquals(said, []);
    readValley2Config({ ...CONFIGS.valley2, hidden_floor: -1.5 });
    assertEquals(said, ["config.json: not understood and not used: hidden_floor"]);
  } finally {
    console.warn = warn;
  }
});

Deno.test("prompt options: known ones pass, others are named", async () => {
  const known = { style: ["processor", "chat"] };
  assertEquals(chosen({ style: "chat" }, known, "Valley2"), { style: "chat" });
  await assertThrows(() => chosen({ form: 1 }, known, "Valley2"), /Valley2 has no form, known: style/);
  await assertThrows(
    () => chosen({ style: "x" }, known, "Valley2"),
    /style of Valley2 is "processor" or "chat"/,
  );
});

Deno.test("tiling: slivers lose all tiles, large maps are pooled, every kept token is used", () => {
  const tiling = { crop: 384, from: [1, 1], to: [3, 3], side: 14, maxTokens: 100_000 } as const;
  assertEquals(tokenRows(2000, 4, true, tiling).length, 196); // nothing but the thumbnail
  const { columns, rows } = layoutOf(500, 333, tiling);
  assertEquals([columns, rows], [2, 1]);
  const kept = keptMap(500, 333, tiling);
  assertEquals([kept.rows, kept.columns], [14, 22]);
  const pooled = tokenRows(1152, 1152, true, { ...tiling, maxTokens: 196 + 100 });
  assertEquals(pooled.length, 196 + 100);
  const used = new Set(pooled.slice(196).flat());
  assertEquals(used.size, 9 * 196);
  assert(Math.min(...used) === 196 && Math.max(...used) === 10 * 196 - 1, "tiles after the thumbnail");
});

Deno.test("splicing: patches at every place, frames only where all fits, markers amiss are an error", async () => {
  const markers = { imPatch: 1, imStart: 2, imEnd: 3, viStart: 4, viEnd: 5, viFrame: 6 };
  const size = { patches: 2, frames: 1 };
  const clip = [2, 1, 1, 3, 4, 6, 5];
  assertEquals(splices([9, ...clip], markers, size), [
    { start: 2, length: 2, offset: 0 },
    { start: 6, length: 1, offset: 2 },
  ]);
  assertEquals(splices([...clip, ...clip], markers, size).map(({ start }) => start), [1, 8]);
  assertEquals(splices(clip, markers, { ...size, frames: 3 }), [{ start: 1, length: 2, offset: 0 }]);
  assertEquals(splices([9, 9], markers, size), []);
  await assertThrows(() => splices([2, 1, 3], markers, size), /no <im_end> after 2 tokens/);
  await assertThrows(() => splices([2, 1, 1], markers, size), /differ in number/);
});
