/** The choice of kernels is measured once a device, kept, and made again when the file does not fit. */
import { keptProfile, profileKey } from "../../src/gpu/kept_profile.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { gpuTest } from "../support/gpu.ts";

gpuTest("kernels: a device's choice is kept and taken again without measuring", async (runtime) => {
  const folder = Deno.makeTempDirSync();
  try {
    const file = `${folder}/state/kernels.json`;
    const first = await keptProfile(runtime, file);
    const { submits } = runtime.counters;
    assert(submits > 0, "it was measured");
    assertEquals(await keptProfile(runtime, file), first);
    assertEquals(runtime.counters.submits, submits);

    const other = first.memory === "texture" ? PROFILES.threads : PROFILES.textures;
    Deno.writeTextFileSync(file, JSON.stringify({ [profileKey(runtime)]: other, "another card": first }));
    assertEquals(await keptProfile(runtime, file), other, "the file decides");
    assertEquals(runtime.counters.submits, submits);

    for (const damage of ["not JSON", "[]", JSON.stringify({ [profileKey(runtime)]: { memory: "tape" } })]) {
      Deno.writeTextFileSync(file, damage);
      const before: number = runtime.counters.submits;
      await keptProfile(runtime, file);
      assert(runtime.counters.submits > before, `measured again after ${damage}`);
      assert(
        JSON.parse(Deno.readTextFileSync(file))[profileKey(runtime)].memory in { buffer: 1, texture: 1 },
      );
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
