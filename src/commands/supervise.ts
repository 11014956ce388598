/**
 * `supervise serve …`: a small parent that starts the server again when it ends otherwise than it should. A GPU
 * library that aborts takes its whole process along; this one holds no GPU, no port and no request.
 */

import { jsonLog } from "../server/log.ts";
import { UsageError } from "./options.ts";

/** Pauses before the tries, s; the last one is repeated. */
const PAUSES = [0.2, 0.5, 1, 2, 5, 10, 30];
/** After so long the server counts as sound, s. */
const SOUND = 60;
/** Ends that another try does not mend: done, wrong command line, something required is missing. */
const FINAL = new Set([0, 3, 64]);

/** Runs until the server ends for good; resolves with its exit code. Throws UsageError. */
export async function supervise(args: string[]): Promise<number> {
  if (args[0] !== "serve") throw new UsageError("valley supervise serve …: only serve is supervised");
  const log = jsonLog((line) => void Deno.stderr.writeSync(new TextEncoder().encode(line)));
  let child: Deno.ChildProcess | null = null, ending = false, wake = () => {};
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      ending = true;
      try {
        child?.kill(signal);
      } catch { /* it has ended already */ }
      wake();
    });
  }
  for (let failures = 0;;) {
    const started = performance.now();
    child = start(args);
    const { code, signal } = await child.status;
    child = null;
    if (ending || FINAL.has(code)) return code;
    if ((performance.now() - started) / 1000 > SOUND) failures = 0;
    const pause = PAUSES[Math.min(failures++, PAUSES.length - 1)];
    log.warn("supervise", { message: "The server ended; it is started again", code, signal, pause });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pause * 1000);
      wake = () => (clearTimeout(timer), resolve());
    });
    if (ending) return code;
  }
}

/** Set-up's launcher gives the server its permissions; a compiled binary has its own. */
function start(args: string[]): Deno.ChildProcess {
  // A program of its own, not a part of this one.
  const launcher = `${import.meta.dirname}/../../tools/setup/launch.ts`;
  const [program, before] = Deno.build.standalone
    ? [Deno.execPath(), []]
    : ["deno", ["run", "-A", "--quiet", launcher, "valley"]];
  return new Deno.Command(program, { args: [...before, ...args], stdin: "null" }).spawn();
}
