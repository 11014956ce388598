/** The model cases that travel with the project, on the GPU path, with every set of kernels. */
import { assertEquals } from "../support/assert.ts";
import { modelSets } from "../support/gpu.ts";
import { casesOf, runFolder } from "../../tools/golden/main.ts";
import { Media } from "../../src/prompt/media.ts";

const FIXTURES = new URL("../fixtures/valley3", import.meta.url).pathname;

const isModelCase = (dir: string): boolean =>
  JSON.parse(Deno.readTextFileSync(`${dir}/case.json`)).kind === "model";

const cases = casesOf(FIXTURES).filter(isModelCase);

Deno.test("golden: the model cases are there", () => {
  const names = cases.map((dir) => dir.split("/").at(-1));
  assertEquals(names, ["image-audio", "text-short", "tiny-activations", "video-image-fractional"]);
});

for (const dir of cases) {
  for (const profile of modelSets(dir.endsWith("/image-audio"))) {
    Deno.test(`golden: ${dir.split("/").at(-1)} at f32 (${profile})`, async () => {
      const [result] = await runFolder(dir, { dtype: "f32", profile }, new Media());
      assertEquals(result.failures, []);
    });
  }
}

Deno.test("golden: half precision stays within its tolerance", async () => {
  for (const name of ["text-short", "tiny-activations"]) {
    const [result] = await runFolder(`${FIXTURES}/${name}`, { dtype: "f16" }, new Media());
    assertEquals(result.failures, []);
  }
});

Deno.test("golden: a folder that is not understood fails", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (
      const text of [null, "{}", '{"kind":"model","family":"other"}', '{"kind":"dance","family":"valley3"}']
    ) {
      if (text !== null) await Deno.writeTextFile(`${folder}/case.json`, text);
      const [result] = await runFolder(folder, { dtype: "f32" }, new Media());
      assertEquals(result.failures.length, 1);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
