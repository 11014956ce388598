/**
 * `deno task demo:eval [--dtype int4|f32] [--n N] [--seed S] [--tasks a,b] [--model FOLDER] [--json FILE]`
 * Fresh examples (made by tools/demo/make_eval.py, held-out combinations), asked one by one through the real HTTP API,
 * greedy; accuracy a task by exact match of the whole answer. `--dtype f32` serves the published bf16 weights.
 */
import { parseArgs } from "node:util";
import { setUp } from "../setup/setup.ts";
import { type Answered, ask, type Question } from "./ask.ts";
import { evalPython } from "./python.ts";
import { report } from "./report.ts";
import { startServer } from "./server.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;
const FOLDERS = { int4: `${PROJECT}weights/demo`, f32: `${PROJECT}weights/demo-bf16` } as const;
const STREAMS = 4;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      dtype: { type: "string", default: "int4" },
      n: { type: "string", default: "20" },
      seed: { type: "string", default: "1" },
      tasks: { type: "string" },
      model: { type: "string" },
      json: { type: "string" },
    },
  });
  const { dtype } = values;
  const n = Number(values.n);
  if ((dtype !== "int4" && dtype !== "f32") || !Number.isInteger(n) || n < 1) {
    console.error(
      "usage: deno task demo:eval [--dtype int4|f32] [--n N] [--seed S] [--tasks a,b] [--model FOLDER] [--json FILE]",
    );
    return 2;
  }
  const code = await setUp({ level: "test", fakeEngine: false });
  if (code !== 0) return code;
  const python = await evalPython(`${PROJECT}tools/demo/requirements.txt`);
  const folder = await Deno.makeTempDir({ prefix: "valley-eval-" });
  try {
    const args = ["make_eval.py", "--out", folder, "--n", values.n, "--seed", values.seed];
    if (values.tasks) args.push("--tasks", values.tasks);
    const made = await new Deno.Command(python, { args, cwd: `${PROJECT}tools/demo`, stdin: "null" }).spawn()
      .status;
    if (!made.success) throw new Error("Cannot make the questions: tools/demo/make_eval.py failed");
    const questions: Question[] = JSON.parse(await Deno.readTextFile(`${folder}/questions.json`));
    const server = await startServer(PROJECT, values.model ?? FOLDERS[dtype]);
    try {
      const answered = await askAll(questions, folder, server.url);
      const summary = report(answered);
      if (values.json) {
        await Deno.writeTextFile(
          values.json,
          JSON.stringify({ dtype, n, seed: values.seed, ...summary }, null, 1),
        );
      }
    } finally {
      await server.stop();
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return 0;
}

/** Keeps a few questions in flight; answers come back in the questions' order. */
async function askAll(questions: Question[], folder: string, url: string): Promise<Answered[]> {
  const answered: Answered[] = new Array(questions.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < questions.length) {
      const i = next++;
      answered[i] = await ask(questions[i], folder, url);
      if ((i + 1) % 200 === 0) console.error(`${i + 1} of ${questions.length} asked`);
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, worker));
  return answered;
}

if (import.meta.main) Deno.exit(await main());
