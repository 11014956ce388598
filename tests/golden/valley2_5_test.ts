/** Valley2.5's golden cases that travel with the project, with every set of kernels. */
import { assertEquals } from "../support/assert.ts";
import { modelSets } from "../support/gpu.ts";
import { casesOf, runFolder } from "../../tools/golden/main.ts";
import { Media } from "../../src/prompt/media.ts";

const FIXTURES = new URL("../fixtures/valley2_5", import.meta.url).pathname;

Deno.test("golden: the Valley2.5 cases are there", () => {
  const names = casesOf(FIXTURES).map((dir) => dir.split("/").at(-1));
  assertEquals(names, ["image-odd", "preprocess-video", "prompts", "text-black"]);
});

for (const name of ["image-odd", "text-black"]) {
  for (const profile of modelSets(name === "image-odd")) {
    Deno.test(`golden: Valley2.5 ${name} at f32 (${profile})`, async () => {
      const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32", profile }, new Media());
      assertEquals(result.failures, []);
    });
  }
}

for (const name of ["preprocess-video", "prompts"]) {
  Deno.test(`golden: Valley2.5 ${name}`, async () => {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f32" }, new Media());
    assertEquals(result.failures, []);
  });
}
