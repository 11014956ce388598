/**
 * `deno task golden DIR… [--dtype f32|f16] [--case NAME] [--profile NAME] [--tokenization official]`: runs fixture folders on the GPU
 * path, prints each case's figures and closes with `N passed, N failed`; exit 1 on any failure, also on a folder that
 * it does not understand.
 * A DIR is a case (it holds case.json), a checkpoint with samples/answers.json, or a folder of such.
 */
import { parseArgs } from "node:util";
import { type ProfileName, PROFILES } from "../../src/gpu/profiles.ts";
import { Media } from "../../src/prompt/media.ts";
import { runtimeDir, setUp } from "../setup/setup.ts";
import { runAnswers } from "./answers.ts";
import { runModelCase } from "./model.ts";
import { valley1 } from "./model_valley1.ts";
import { valley2 } from "./model_valley2.ts";
import { valley2_5 } from "./model_valley2_5.ts";
import { valley3 } from "./model_valley3.ts";
import { runPreprocessAudio } from "./preprocess_audio.ts";
import { runPreprocessImage } from "./preprocess_image.ts";
import { runPreprocessImage1, runPreprocessVideo1 } from "./preprocess_image_valley1.ts";
import { runPreprocessImage2 } from "./preprocess_image_valley2.ts";
import { runPreprocessImage25 } from "./preprocess_image_valley2_5.ts";
import { runSpreadFrames } from "./preprocess_video_valley.ts";
import { runPreprocessVideo } from "./preprocess_video.ts";
import { runPrompts1 } from "./prompts_valley1.ts";
import { runPrompts2, runPrompts25 } from "./prompts_pictures.ts";
import { runPrompts } from "./prompts.ts";
import type { CaseResult, GoldenOptions } from "./report.ts";

type Run = (dir: string, options: GoldenOptions) => Promise<CaseResult>;

/** Runners by family and `kind`. */
const RUNNERS: Record<string, Record<string, Run>> = {
  valley3: {
    "model": (dir, options) => runModelCase(valley3, dir, options),
    "preprocess-image": runPreprocessImage,
    "preprocess-audio": runPreprocessAudio,
    "preprocess-video": runPreprocessVideo,
    "prompts": runPrompts,
  },
  valley1: {
    "model": (dir, options) => runModelCase(valley1, dir, options),
    "preprocess-image": runPreprocessImage1,
    "preprocess-video": runPreprocessVideo1,
    "prompts": runPrompts1,
  },
  valley2: {
    "model": (dir, options) => runModelCase(valley2, dir, options),
    "preprocess-image": runPreprocessImage2,
    "prompts": runPrompts2,
    "preprocess-video": (dir) => runSpreadFrames(dir, "valley2"),
  },
  valley2_5: {
    "model": (dir, options) => runModelCase(valley2_5, dir, options),
    "preprocess-image": runPreprocessImage25,
    "prompts": runPrompts25,
    "preprocess-video": (dir) => runSpreadFrames(dir, "valley2_5"),
  },
};

function runnerOf(family: unknown, kind: unknown): Run {
  const kinds = typeof family === "string" && Object.hasOwn(RUNNERS, family) ? RUNNERS[family] : {};
  if (typeof kind === "string" && Object.hasOwn(kinds, kind)) return kinds[kind];
  throw new Error(`kind ${kind} of family ${family} is not known`);
}

const isFile = (path: string): boolean => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

/** Folders to run under `dir`; none is the caller's failure. Folders that begin with `_` hold shared checkpoints. */
export function casesOf(dir: string): string[] {
  if (isFile(`${dir}/case.json`) || isFile(`${dir}/samples/answers.json`)) return [dir];
  const found: string[] = [];
  for (const entry of [...Deno.readDirSync(dir)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (!entry.isDirectory || entry.name.startsWith("_")) continue;
    const sub = `${dir}/${entry.name}`;
    const inner = casesOf(sub);
    found.push(...(inner.length ? inner : [sub]));
  }
  return found;
}

/** One folder's results; whatever goes wrong is a failed result. */
export async function runFolder(dir: string, options: GoldenOptions, media: Media): Promise<CaseResult[]> {
  try {
    if (isFile(`${dir}/case.json`)) {
      const { kind, family } = JSON.parse(Deno.readTextFileSync(`${dir}/case.json`));
      return [await runnerOf(family, kind)(dir, options)];
    }
    if (isFile(`${dir}/samples/answers.json`)) return await runAnswers(dir, options, media);
    throw new Error("it holds neither case.json nor samples/answers.json");
  } catch (error) {
    return [{
      name: dir,
      lines: [],
      failures: [`Cannot run ${dir}: ${error instanceof Error ? error.message : error}`],
    }];
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      dtype: { type: "string", default: "f32" },
      case: { type: "string", multiple: true },
      tokenization: { type: "string", default: "official" },
      profile: { type: "string" },
    },
    allowPositionals: true,
  });
  const { dtype, tokenization } = values;
  const profile = values.profile as ProfileName | undefined;
  const known = (dtype === "f32" || dtype === "f16") && tokenization === "official" &&
    (profile === undefined || Object.hasOwn(PROFILES, profile));
  if (!positionals.length || !known) {
    console.error(
      "usage: deno task golden DIR… [--dtype f32|f16] [--case NAME]… [--profile NAME] [--tokenization official]",
    );
    return 2;
  }
  const code = await setUp({ level: "run", fakeEngine: false });
  if (code !== 0) return code;
  for (const [key, value] of Object.entries(runtimeDir())) Deno.env.set(key, value);
  if (Deno.build.os === "linux" && !Deno.env.get("DENO_WEBGPU_BACKEND")) {
    Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  }
  let passed = 0;
  let failed = 0;
  const report = (result: CaseResult): void => {
    const ok = result.failures.length === 0;
    console.log(`${ok ? "ok    " : "FAILED"} ${result.name}`);
    for (const line of result.lines) console.log(`         ${line}`);
    for (const line of result.failures) console.log(`       ! ${line}`);
    if (ok) passed++;
    else failed++;
  };
  const media = new Media();
  for (const dir of positionals) {
    let folders: string[] = [];
    try {
      folders = casesOf(dir.replace(/\/+$/, ""));
    } catch {
      // Told below: nothing to run.
    }
    const wanted = values.case ?? [];
    const chosen = folders.filter((f) => !wanted.length || wanted.includes(f.split("/").at(-1)!));
    if (!chosen.length) {
      report({
        name: dir,
        lines: [],
        failures: [`Cannot run ${dir}: it holds no ${wanted.length ? "such " : ""}case`],
      });
    }
    for (const folder of chosen) {
      for (const result of await runFolder(folder, { dtype, profile }, media)) report(result);
    }
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main());
