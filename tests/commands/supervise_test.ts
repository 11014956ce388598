/** The supervisor starts a server again that was killed, and ends with it when told to. */

import { USAGE } from "../../src/commands/usage.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { chooseFreePort, waitForStatus } from "../support/processes.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;
const main = `${PROJECT}main.ts`;

/** Processes below `pid`, from /proc. */
function below(pid: number): number[] {
  const parents = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).map(({ name }) => {
    try {
      return [
        Number(name),
        Number(/^PPid:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/${name}/status`))?.[1]),
      ];
    } catch {
      return [0, 0];
    }
  });
  const own = parents.filter(([, parent]) => parent === pid).map(([child]) => child);
  return own.flatMap((child) => [child, ...below(child)]);
}

Deno.test({ name: "supervise", ignore: Deno.build.os !== "linux" }, async () => {
  const port = chooseFreePort(), url = `http://127.0.0.1:${port}`;
  const supervisor = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--no-check",
      main,
      "supervise",
      "serve",
      "--engine",
      "fake",
      "--port",
      String(port),
      "--drain-grace",
      "0",
    ],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = new Response(supervisor.stderr).text();
  try {
    for (const signal of ["SIGKILL", "SIGABRT"] as const) {
      assertEquals(await waitForStatus(`${url}/health`, 200, 30), true, "not ready");
      const streaming = await fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ stream: true, messages: [{ role: "user", content: "forever" }] }),
      });
      const server = below(supervisor.pid).at(-1)!;
      Deno.kill(server, signal);
      const text = await streaming.text().catch(() => "");
      assert(!text.includes("[DONE]"), "a stream that broke off looks finished");
    }
    assertEquals(await waitForStatus(`${url}/health`, 200, 30), true, "not ready again");
  } finally {
    supervisor.kill("SIGTERM");
  }
  assertEquals((await supervisor.status).code, 0);
  assertEquals([...(await said).matchAll(/it is started again/g)].length, 2);
  assertEquals(below(supervisor.pid), []);
});

Deno.test("what is no server is not supervised, and a wrong command line not tried again", async () => {
  for (const [args, pattern] of [[["chat"], /only serve/], [["serve", "--nonsense"], /nonsense/]] as const) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", main, "supervise", ...args],
      stdout: "null",
      stderr: "piped",
    }).output();
    assertEquals(code, 64);
    assertMatch(new TextDecoder().decode(stderr), pattern);
  }
});

Deno.test("--help is answered by every command, not refused", async () => {
  const commands = [...new Set([...USAGE.matchAll(/^valley (\w+)/gm)].map(([, command]) => command))];
  assert(commands.length > 7, "the usage names the commands");
  for (const command of commands) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", main, command, "--help"],
      stderr: "null",
    }).output();
    assertEquals([command, code], [command, 0]);
    assertMatch(new TextDecoder().decode(stdout), new RegExp(`^valley ${command}\\b`));
  }
});
