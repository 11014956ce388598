/** T-MUT: eight bugs of caches, put into a copy of the source one at a time; the property traces and the engine's tests must see each. */

import { fileURLToPath } from "node:url";
import type { Campaign, Outcome } from "./campaign.ts";

interface Mutant {
  name: string;
  file: string;
  /** [as it stands, as the bug has it], each found exactly once. */
  edits: [string, string][];
}

const MUTANTS: Mutant[] = [
  {
    name: "blocks are committed before the device has finished them",
    file: "src/engine/prefix_cache.ts",
    edits: [[
      "Math.min(sequence.completed, sequence.ids.length)",
      "Math.min(sequence.computed, sequence.ids.length)",
    ]],
  },
  {
    name: "the salt is left out",
    file: "src/engine/prefix_cache.ts",
    edits: [["`root:${salt}`", "`root:`"], ["entry.salt === salt && entry.media", "entry.media"]],
  },
  {
    name: "the shape is left out of a medium's digest",
    file: "src/prompt/features.ts",
    edits: [['${kind} ${shape.join(" ")} ${PREP', "${kind} ${PREP"]],
  },
  {
    name: "the last block of a wholly known prompt is not computed",
    file: "src/engine/prefix_cache.ts",
    edits: [[
      "Math.floor((sequence.ids.length - 1) / this.blockSize)",
      "Math.floor(sequence.ids.length / this.blockSize)",
    ]],
  },
  {
    name: "decoded tokens forget the rotary offset",
    file: "src/engine/sequence.ts",
    edits: [["? at + ropeDelta", "? at"]],
  },
  {
    name: "a block that is given away is still found under its old content",
    file: "src/engine/block_pool.ts",
    edits: [["      this.#onEvict(block);\n", ""]],
  },
  {
    name: "a shared block counts one holder too few",
    file: "src/engine/block_pool.ts",
    edits: [[
      "    this.#references[block]++;\n",
      "    this.#references[block] = Math.max(1, this.#references[block]);\n",
    ]],
  },
  {
    name: "a block in use may be given away",
    file: "src/engine/block_pool.ts",
    edits: [["if (--this.#references[block] > 0) return;", "--this.#references[block];"]],
  },
];

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const COPIED = ["src", "tools", "tests", "web", "wgsl", "bench", "deno.json", "deno.lock", "main.ts"];

/** A bug may also make things wait for ever; the unchanged source needs a tenth of this. */
const PATIENCE_MS = 300_000;

/** Whether it succeeds in time. */
async function run(cwd: string, args: string[]): Promise<boolean> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    signal,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  });
  return (await child.output()).success;
}

/** What sees the bug in the tree at `root`: null: nothing does. */
async function caughtBy(root: string, traces: number): Promise<string | null> {
  if (!await run(root, ["run", "-A", "--no-check", "tools/properties/main.ts", "--traces", String(traces)])) {
    return "traces";
  }
  return await run(root, ["test", "-A", "--no-check", "tests/engine", "tests/prompt/features_test.ts"])
    ? null
    : "tests";
}

async function withMutant<T>(mutant: Mutant | null, work: (root: string) => Promise<T>): Promise<T> {
  const root = await Deno.makeTempDir();
  try {
    const from = COPIED.map((name) => `${PROJECT}${name}`);
    const copy = await new Deno.Command("cp", { args: ["-r", ...from, root] }).output();
    if (!copy.success) throw new Error("Cannot copy the source");
    if (mutant !== null) {
      const path = `${root}/${mutant.file}`;
      let text = await Deno.readTextFile(path);
      for (const [good, bad] of mutant.edits) {
        if (text.split(good).length !== 2) {
          throw new Error(`${mutant.file}: ${JSON.stringify(good)} is not there once`);
        }
        text = text.replace(good, () => bad);
      }
      await Deno.writeTextFile(path, text);
    }
    return await work(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

export const mutants: Campaign = {
  id: "T-MUT",
  target:
    "8 of 8 seeded bugs seen by the property traces or the engine's tests; none seen in the unchanged source",
  async run(scale: number): Promise<Outcome> {
    const traces = Math.max(20, Math.round(60 * scale));
    const missed: string[] = [];
    const seen: string[] = [];
    const alarm = await withMutant(null, (root) => caughtBy(root, traces));
    if (alarm !== null) missed.push(`the unchanged source fails (${alarm})`);
    for (const mutant of MUTANTS) {
      const by = await withMutant(mutant, (root) => caughtBy(root, traces));
      if (by === null) missed.push(`not seen: ${mutant.name}`);
      else seen.push(`${mutant.name} (${by})`);
    }
    return {
      did: `${MUTANTS.length} seeded bugs, ${traces} traces each`,
      figures: `${seen.length} of ${MUTANTS.length} seen: ${seen.join("; ")}`,
      missed,
    };
  },
};
