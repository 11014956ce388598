/** Golden cases of Valley (2023) that travel with the project, with every set of kernels. */
import { assertEquals } from "../support/assert.ts";
import { modelSets } from "../support/gpu.ts";
import { casesOf, runFolder } from "../../tools/golden/main.ts";
import { Media } from "../../src/prompt/media.ts";

const FIXTURES = new URL("../fixtures/valley1", import.meta.url).pathname;

Deno.test("golden: the cases of Valley (2023) are there", () => {
  const names = casesOf(FIXTURES).map((dir) => dir.split("/").at(-1));
  assertEquals(names, [
    "image-v3",
    "preprocess-video",
    "prompts",
    "video-twice",
    "video-v2",
    "video-v3",
  ]);
});

const CASES = [
  ["image-v3", "workgroups"],
  ["video-twice", "threads"],
  ["video-v2", "threads"],
  ["video-v3", "textures"],
] as const;

for (const [name, wanted] of CASES) {
  const profile = modelSets(false).includes(wanted) ? wanted : "threads";
  Deno.test(`golden: Valley (2023) ${name} at f32 (${profile})`, async () => {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32", profile }, new Media());
    assertEquals(result.failures, []);
  });
}

for (const name of ["preprocess-video", "prompts"]) {
  Deno.test(`golden: Valley (2023) ${name}`, async () => {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32" }, new Media());
    assertEquals(result.failures, []);
  });
}
