/** A stand-in for denort shows that the binary assembles with its files. It does not show that the binary runs. */

import { ok, strictEqual as equal } from "node:assert";
import { resolve } from "node:path";
import { workers } from "../../tools/compile.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "../..");

Deno.test("compile assembles: program, workers, kernels and wasm are embedded, weights and tests are not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "compile", "--output", `${folder}/valley`],
      cwd: PROJECT,
      env: { DENORT_BIN: Deno.env.get("DENORT_BIN") ?? Deno.execPath(), NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    equal(code, 0, said);
    ok(Deno.statSync(`${folder}/valley`).size > Deno.statSync(Deno.execPath()).size);
    const list = said.slice(said.indexOf("Embedded Files"));
    for (const name of ["wgsl/", "worker.ts", "server", "prompt/", "main.ts", "rounding.wasm"]) {
      ok(list.includes(name), `${name} is not embedded:\n${list}`);
    }
    const binary = await Deno.readFile(`${folder}/valley`);
    const has = (text: string) =>
      new TextDecoder("latin1").decode(binary.subarray(-20_000_000)).includes(text);
    for (const worker of ["src/worker.ts", "src/prompt/media_worker.ts", "src/weights/slab_worker.ts"]) {
      ok(workers().includes(worker), worker);
    }
    for (const worker of workers()) ok(has(worker.split("/").at(-1)!), `${worker} is not embedded`);
    // At the root: src/weights/ is a part of the program.
    ok(!/model\.safetensors|^[├└]─[─┬] (weights|tests)\b/m.test(list), list);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
