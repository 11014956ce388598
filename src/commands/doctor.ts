/** `doctor`: whether this machine can serve, what is missing and how to get it, and how fast it is. */
import { bytesText } from "../weights/progress.ts";
import { parseCommand, type Terminal } from "./command.ts";
import {
  type AdapterReport,
  checkAdapter,
  hostMemory,
  modelNeeds,
  type ModelReport,
  permissionStates,
  type Problem,
  runSelfTest,
  type SelfTest,
} from "./doctor_checks.ts";
import { modelsRoot } from "./models_folder.ts";
import { type Env, UsageError } from "./options.ts";

export const DOCTOR_USAGE = `valley doctor [--model FOLDER] [--seconds S] [--no-self-test] [--json]

Looks at the adapter and its driver, features and limits, memory, ffmpeg and permissions; says what is missing and how
to get it, how much context a model leaves room for, and decodes for a few seconds (default 5) as a self-test.
Ends with 0 when serving will work, else with 69.

Examples:
  valley doctor
  valley doctor --model ~/valley3-8b-int4 --json`;

const FLAGS = {
  model: { type: "string" },
  seconds: { type: "string", default: "5" },
  "no-self-test": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const;

export interface DoctorContext {
  env: Env;
  ffmpeg: { ffmpeg: string; ffprobe: string } | null;
  /** The model that is looked at without --model. */
  demo: string;
}

interface Report {
  system: { deno: string; os: string; memory: { total: number; available: number } | null };
  adapter: AdapterReport | null;
  ffmpeg: string | null;
  permissions: Record<string, string>;
  modelsFolder: string;
  model: ModelReport | null;
  selfTest: SelfTest | null;
  problems: Problem[];
}

/** @returns exit code. Throws UsageError. */
export async function doctorCommand(
  args: string[],
  context: DoctorContext,
  terminal: Terminal,
): Promise<number> {
  const parsed = parseCommand(args, { flags: FLAGS, words: 0, usage: DOCTOR_USAGE }, terminal);
  if (parsed === null) return 0;
  const { values } = parsed;
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= 60)) throw new UsageError("--seconds must be a number up to 60");
  const report = await examine(values.model ?? context.demo, context, values["no-self-test"] ? 0 : seconds);
  terminal.write(values.json ? `${JSON.stringify(report, null, 1)}\n` : textOf(report));
  return report.problems.some(({ required }) => required) ? 69 : 0;
}

async function examine(folder: string, { env, ffmpeg }: DoctorContext, seconds: number): Promise<Report> {
  const problems: Problem[] = [];
  const adapter = await checkAdapter(problems);
  if (ffmpeg === null) {
    problems.push({
      what: "ffmpeg and ffprobe are not on the PATH: video files are refused, lists of frames are not",
      fix: Deno.build.os === "darwin"
        ? "brew install ffmpeg"
        : "apt install ffmpeg (or your system's package)",
      required: false,
    });
  }
  const attempt = async <T>(fix: string, run: () => T | Promise<T>): Promise<T | null> => {
    try {
      return await run();
    } catch (error) {
      problems.push({ what: (error as Error).message, fix, required: true });
      return null;
    }
  };
  const model = await attempt("name a model's folder with --model", () => modelNeeds(folder));
  const selfTest = adapter === null || model === null || seconds === 0 ? null : await attempt(
    "convert or pull the model again; if it stays, update the driver and report it with `doctor --json`",
    () => runSelfTest(folder, adapter.bandwidth, seconds),
  );
  const { os, arch } = Deno.build;
  const models = modelsRoot(env);
  const permissions = await permissionStates(models, ffmpeg?.ffmpeg ?? null);
  for (const [what, state] of Object.entries(permissions)) {
    if (state === "granted") continue;
    problems.push({
      what: `Deno may not ${what}`,
      fix: "start it with `deno task valley …`, which gives what is needed",
      required: what.startsWith("listen"),
    });
  }
  return {
    system: { deno: Deno.version.deno, os: `${os} ${arch}`, memory: hostMemory() },
    adapter,
    ffmpeg: ffmpeg?.ffmpeg ?? null,
    permissions,
    modelsFolder: models,
    model,
    selfTest,
    problems,
  };
}

function textOf(
  { system, adapter, ffmpeg, permissions, modelsFolder, model, selfTest, problems }: Report,
): string {
  const lines: [string, string][] = [
    ["Deno", `${system.deno}, ${system.os}`],
    [
      "Memory",
      system.memory === null
        ? "unknown"
        : `${bytesText(system.memory.available)} free of ${bytesText(system.memory.total)}`,
    ],
  ];
  if (adapter !== null) {
    const { features, limits } = adapter;
    const has = Object.entries(features).filter(([, there]) => there).map(([name]) => name);
    lines.push(
      ["Adapter", adapter.name],
      ["  features", has.join(", ") || "none"],
      ["  limits", `${bytesText(limits.storageBinding)} a binding, ${bytesText(limits.bufferSize)} a buffer`],
      ["  bandwidth", `${adapter.bandwidth.toFixed(1)} GB/s (copying)`],
    );
  }
  lines.push(["ffmpeg", ffmpeg ?? "none"], [
    "Permissions",
    Object.entries(permissions).map(([what, state]) => `${what}: ${state}`).join(", "),
  ], ["Models in", modelsFolder]);
  if (model !== null) {
    const room = Object.entries(model.tokensIn).map(([memory, tokens]) =>
      `${memory}: ${tokens || "does not fit"}`
    );
    lines.push(
      [
        "Model",
        `${model.folder}, ${bytesText(model.weights)}, ${bytesText(model.kvPerToken)} a token of context`,
      ],
      ["  tokens in", `${room.join(", ")} (longest conversation ${model.longestContext})`],
    );
  }
  if (selfTest !== null) {
    lines.push([
      "Self-test",
      `passed; ${selfTest.tokensPerSecond.toFixed(1)} tokens/s, ${
        (100 * selfTest.shareOfRoof).toFixed(0)
      } % of what the bandwidth allows`,
    ]);
  }
  const text = lines.map(([name, value]) => `${name.padEnd(13)}${value}\n`).join("");
  const told = problems.map(({ what, fix, required }) =>
    `${required ? "MISSING" : "Note"}: ${what}\n  ${fix}\n`
  );
  const verdict = problems.some(({ required }) => required)
    ? "Serving will not work yet.\n"
    : "Serving will work.\n";
  return `${text}\n${told.join("")}${verdict}`;
}
