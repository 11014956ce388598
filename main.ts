/** Command line → what to run. The only reader of the environment. */

import { batchCommand } from "./src/commands/batch.ts";
import { convertCommand } from "./src/commands/convert.ts";
import { chat } from "./src/commands/chat.ts";
import { doctorCommand } from "./src/commands/doctor.ts";
import { modelsCommand } from "./src/commands/models.ts";
import { obtainModel } from "./src/commands/obtain_model.ts";
import { serveOptions, UsageError } from "./src/commands/options.ts";
import { pullCommand } from "./src/commands/pull.ts";
import { serve } from "./src/commands/serve.ts";
import { supervise } from "./src/commands/supervise.ts";
import { CHAT_USAGE, SERVE_USAGE, SUPERVISE_USAGE, USAGE } from "./src/commands/usage.ts";

const DEMO = new URL("./weights/demo", import.meta.url).pathname;
const DEMO_NAME = "valley3-demo";

const TERMINAL = {
  write: (text: string) => void Deno.stdout.writeSync(new TextEncoder().encode(text)),
  isTerminal: Deno.stdout.isTerminal(),
};

/** Exit codes of sysexits.h: 64 the command is wrong, 69 something it needs is missing. */
async function main([command, ...args]: string[]): Promise<number> {
  const env = Deno.env.toObject();
  const asksHelp = args.includes("--help");
  try {
    switch (command) {
      case "serve": {
        if (asksHelp) return tell(SERVE_USAGE);
        preferVulkan(env);
        const options = serveOptions(args, env, DEMO);
        const defaultName = options.engine === "fake" || options.model === DEMO
          ? DEMO_NAME
          : options.model.split("@")[0].split("/").findLast((part) => part !== "") ?? DEMO_NAME;
        if (options.engine !== "fake") options.model = await obtainModel(options.model, env, TERMINAL);
        return await serve(options, { ffmpeg: findFfmpeg(env.PATH ?? ""), defaultName, print: console.log });
      }
      case "convert":
        preferVulkan(env); // --calibrate
        return await convertCommand(args, TERMINAL);
      case "pull":
        return await pullCommand(args, env, TERMINAL);
      case "models":
        return modelsCommand(args, env, TERMINAL);
      case "supervise":
        return args[0] === "--help" ? tell(SUPERVISE_USAGE) : await supervise(args);
      case "batch":
        return await batchCommand(args, env, TERMINAL);
      case "doctor":
        preferVulkan(env);
        return await doctorCommand(args, { env, ffmpeg: findFfmpeg(env.PATH ?? ""), demo: DEMO }, TERMINAL);
      case "chat":
        return asksHelp ? tell(CHAT_USAGE) : await chat(args);
      case "--help":
      case "help":
        return tell(USAGE);
      default:
        throw new UsageError(command === undefined ? USAGE : `Unknown command ${command}\n${USAGE}`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return error instanceof UsageError ? 64 : 69;
  }
}

/** wgpu falls back to GL with fewer features: Vulkan or nothing, unless told otherwise. */
function preferVulkan(env: Record<string, string>): void {
  if (Deno.build.os === "linux" && !env.DENO_WEBGPU_BACKEND) Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
}

function tell(usage: string): number {
  TERMINAL.write(`${usage}\n`);
  return 0;
}

/** Both programs on the PATH, or null. */
function findFfmpeg(path: string): { ffmpeg: string; ffprobe: string } | null {
  const find = (name: string): string | undefined =>
    path.split(":").filter((folder) => folder !== "").map((folder) => `${folder}/${name}`).find((file) => {
      try {
        return Deno.statSync(file).isFile;
      } catch {
        return false;
      }
    });
  const ffmpeg = find("ffmpeg"), ffprobe = find("ffprobe");
  return ffmpeg !== undefined && ffprobe !== undefined ? { ffmpeg, ffprobe } : null;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
