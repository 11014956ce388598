/**
 * `deno task assemble`: src/weights/rounding/*.as (AssemblyScript) → rounding.wasm beside them, which is kept in the
 * tree. tests/weights/rounding_test.ts holds the two together.
 */
import asc from "assemblyscript/asc";
import { join, resolve } from "node:path";

const FOLDER = resolve(import.meta.dirname ?? ".", "../src/weights/rounding");
/** Files whose exports are the module's. */
const ENTRIES = ["nearest.ts", "search.ts"];

/** @returns the module's bytes. @throws Error with what the compiler says */
export async function assemble(): Promise<Uint8Array> {
  let out: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      ...ENTRIES,
      "--outFile",
      "out.wasm",
      "--runtime",
      "stub",
      "-O3",
      "--noAssert",
      "--enable",
      "relaxed-simd",
    ],
    {
      readFile(name) {
        try {
          return Deno.readTextFileSync(join(FOLDER, name.replace(/\.ts$/, ".as")));
        } catch {
          return null; // asc tries several places for a file
        }
      },
      writeFile(_, data) {
        out = typeof data === "string" ? new TextEncoder().encode(data) : data;
      },
      listFiles: () => [],
    },
  );
  if (error || out === undefined) throw new Error(`Cannot assemble ${FOLDER}: ${error?.message}\n${stderr}`);
  return out;
}

if (import.meta.main) {
  const bytes = await assemble();
  Deno.writeFileSync(join(FOLDER, "rounding.wasm"), bytes);
  console.log(`rounding.wasm: ${bytes.length} bytes`);
}
