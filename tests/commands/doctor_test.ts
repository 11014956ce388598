/** `doctor` tells what is there and what is missing, as text and as JSON; its exit code follows. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

async function doctor(args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, "doctor", ...args],
    env,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), errors: text(stderr) };
}

Deno.test("doctor --json: adapter, model and self-test on the demo model", async () => {
  const { code, out, errors } = await doctor(["--json", "--seconds", "0.5"]);
  assertEquals(code, 0, errors + out);
  const report = JSON.parse(out);
  assert(report.adapter.bandwidth > 0.1 && report.adapter.limits.storageBinding >= 2 ** 27);
  assert(report.selfTest.tokens > 2 && report.selfTest.tokensPerSecond > 0);
  assert(report.selfTest.shareOfRoof > 0 && report.selfTest.shareOfRoof < 1, report.selfTest.shareOfRoof);
  // Two bytes each of keys and values.
  const { thinker_config, text_config } = JSON.parse(
    Deno.readTextFileSync(new URL("../../weights/demo/config.json", import.meta.url)),
  );
  const text = text_config ?? thinker_config.text_config;
  const wanted = 4 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim;
  assertEquals(report.model.kvPerToken, wanted);
  assert(report.model.tokensIn["80 GiB"] > report.model.tokensIn["8 GiB"]);
});

Deno.test("doctor: without a driver it says how to get one, with a wrong folder what is wrong, and ends with 69", async () => {
  const none = await doctor(["--no-self-test"], {
    VK_DRIVER_FILES: "/nowhere.json",
    VK_ICD_FILENAMES: "/nowhere.json",
  });
  if (Deno.build.os === "linux") {
    assertEquals(none.code, 69, none.out);
    assertMatch(
      none.out,
      /MISSING: Cannot find a GPU[\s\S]*mesa-vulkan-drivers[\s\S]*Serving will not work yet/,
    );
  }
  const wrong = await doctor(["--no-self-test", "--model", "/nowhere"]);
  assertEquals(wrong.code, 69);
  assertMatch(wrong.out, /MISSING: Cannot load \/nowhere: config\.json is missing/);
  assertEquals((await doctor(["--seconds", "x"])).code, 64);
});
