/** Starts the real tasks: the server comes up under the least permissions and ends with those who started it. */

import { strictEqual as equal } from "node:assert";
import { resolve } from "node:path";
import { chooseFreePort, waitForStatus } from "../support/processes.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "../..");

/** `deno task start` with the fake engine on a free port; resolves once /health answers 200. */
async function start(task: string[], env: Record<string, string> = {}) {
  const port = chooseFreePort();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", ...task, "--engine", "fake", "--port", String(port), "--drain-grace", "0"],
    cwd: PROJECT,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}/health`;
  equal(await waitForStatus(url, 200, 20), true, "never ready");
  return { child, url };
}

Deno.test("deno task start: ready under least permissions; SIGTERM drains it and the exit code is 0", async () => {
  const { child, url } = await start(["start"]);
  child.kill("SIGTERM");
  equal((await child.status).code, 0);
  equal(await waitForStatus(url, 0, 5), true, "something still listens");
});

Deno.test("deno task valley serve: when the task above it is killed, the server ends too", async () => {
  const { child, url } = await start(["valley", "serve"]);
  child.kill("SIGKILL");
  await child.status;
  equal(await waitForStatus(url, 0, 15), true, "the server stayed behind");
});

Deno.test("deno task valley: a wrong command ends with its own exit code", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "valley", "no-such-command"],
    cwd: PROJECT,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  equal(code, 64, new TextDecoder().decode(stderr));
});
