/** The models that `bench quant` compares ways to four bits on. */
import { WINDOW } from "../src/commands/calibration.ts";
import { readCheckpointFiles } from "../src/prompt/checkpoint_files.ts";
import { Tokenizer } from "../src/prompt/tokenizer.ts";
import type { Peers } from "./peers/packages.ts";
import { demoConversations, writeDemoTrunk } from "./quant_demo.ts";
import { expandGguf, writeReference } from "./quant_reference.ts";
import type { Window } from "./quant_score.ts";

const SEED = 20261124;

/** Windows of each held-out text. */
const WINDOWS = 3;

export interface Subject {
  title: string;
  /** What is read to learn which columns matter. */
  calibration: Uint32Array[];
  heldOut: Window[];
}

/**
 * Writes the reference as `reference`, a GGUF file of F32, and as the folder `f32`.
 * @param model "smollm2", "demo", or the folder of a Valley3 checkpoint of the demo's vocabulary
 */
export async function prepare(
  model: string,
  project: string,
  peers: Peers,
  reference: string,
  f32: string,
): Promise<Subject> {
  if (model !== "smollm2") {
    const folder = model === "demo" ? `${project}weights/demo` : model;
    await writeDemoTrunk(folder, reference, SEED);
    expandGguf(reference, f32, null);
    return { title: `text trunk of ${model}`, ...await demoConversations(project, folder) };
  }
  writeReference(peers.gguf, reference, SEED);
  expandGguf(reference, f32, null);
  const tokenizer = new Tokenizer((await readCheckpointFiles(f32)).tokenizer);
  const read = (path: string, windows: number) =>
    cut(tokenizer, Deno.readTextFileSync(project + path), windows);
  return {
    title: "SmolLM2-135M and noise",
    calibration: read("tools/demo/README.md", 4),
    // The peers' text and the project's README: not what was calibrated on.
    heldOut: ["bench/peers/text.txt", "README.md"].flatMap((path) => read(path, WINDOWS))
      .map((ids) => ({ ids, first: 1 })),
  };
}

function cut(tokenizer: Tokenizer, text: string, windows: number): Uint32Array[] {
  const ids = tokenizer.encode(text.slice(0, 20_000));
  return Array.from({ length: windows }, (_, i) => ids.slice(i * WINDOW, (i + 1) * WINDOW))
    .filter((window) => window.length === WINDOW);
}
