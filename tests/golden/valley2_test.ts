/** Valley2's golden cases that travel with the project, with every set of kernels. */
import { assertEquals } from "../support/assert.ts";
import { casesOf, runFolder } from "../../tools/golden/main.ts";
import { Media } from "../../src/prompt/media.ts";

const FIXTURES = new URL("../fixtures/valley2", import.meta.url).pathname;

Deno.test("golden: the Valley2 cases are there", () => {
  const names = casesOf(FIXTURES).map((dir) => dir.split("/").at(-1));
  assertEquals(names, ["image-pooled", "image-sliver", "preprocess-video", "prompts"]);
});

const CASES = [
  ["image-pooled", "threads"],
  ["image-sliver", "workgroups"], // few tiles: SwiftShader is slow at these kernels
  ["image-pooled", "textures"],
] as const;

for (const [name, profile] of CASES) {
  Deno.test(`golden: Valley2 ${name} at f32 (${profile})`, async () => {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32", profile }, new Media());
    assertEquals(result.failures, []);
  });
}

for (const name of ["preprocess-video", "prompts"]) {
  Deno.test(`golden: Valley2 ${name}`, async () => {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32" }, new Media());
    assertEquals(result.failures, []);
  });
}
