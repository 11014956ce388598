/** The README's first requests, run as they stand against a server that is started as it says. */

import { deepStrictEqual as same, match, ok, strictEqual as equal } from "node:assert";
import { resolve } from "node:path";
import { chooseFreePort, waitForStatus } from "./support/processes.ts";
import { ROUTES } from "../src/server/routes.ts";
import { which } from "../tools/setup/probe.ts";

const PROJECT = resolve(import.meta.dirname ?? ".", "..");
const README = Deno.readTextFileSync(`${PROJECT}/README.md`);

/** The code block of that language that holds a text. */
function block(language: string, holds: string): string {
  const blocks = [...README.matchAll(/```(\w*)\n([\s\S]*?)```/g)].filter((m) => m[1] === language);
  const found = blocks.find((m) => m[2].includes(holds))?.[2];
  ok(found, `README.md has no ${language} block with ${holds}`);
  return found;
}

async function run(command: string, args: string[], port: number): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: args.map((arg) => arg.replaceAll("127.0.0.1:8000", `127.0.0.1:${port}`)),
    cwd: PROJECT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  equal(success, true, decoder.decode(stderr));
  return decoder.decode(stdout);
}

Deno.test("README: deno task start, then the first request with a picture by curl and by npm's openai", async () => {
  const port = chooseFreePort();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["task", "start", "--port", String(port), "--drain-grace", "0"],
    cwd: PROJECT,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    equal(await waitForStatus(`http://127.0.0.1:${port}/health`, 200, 120), true, "never ready");
    const script = await Deno.makeTempFile({ dir: PROJECT, prefix: ".readme-", suffix: ".mjs" });
    try {
      const code = block("js", "OpenAI").replaceAll("127.0.0.1:8000", `127.0.0.1:${port}`);
      await Deno.writeTextFile(script, code);
      match(await run(Deno.execPath(), ["run", "-A", "--quiet", script], port), /The circle is red\./);
    } finally {
      await Deno.remove(script);
    }
    if (which("curl")) {
      match(await run("bash", ["-c", block("sh", "curl")], port), /"content":"The circle is red\."/);
    } else {
      console.log("skipped: the curl example (no curl here)");
    }
  } finally {
    server.kill("SIGTERM");
    await server.status;
  }
});

Deno.test("README: every task that it names exists, and every path of the tree", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${PROJECT}/deno.json`)) as {
    tasks: Record<string, string>;
  };
  for (const [, name] of README.matchAll(/deno(?:@[\d.]+)? task ([a-z][a-z:]*)/g)) {
    ok(name in tasks, `no task ${name}`);
  }
  const tree = block("", "main.ts          ");
  for (const line of tree.split("\n").filter((line) => /^\S/.test(line))) {
    const path = line.split(/\s/)[0];
    ok(exists(`${PROJECT}/${path}`), `README's tree names ${path}, which is not there`);
  }
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("README: the configuration table has every flag of serve, and no other", () => {
  const source = Deno.readTextFileSync(`${PROJECT}/src/commands/options.ts`);
  const flags = /const FLAGS = \{([\s\S]*?)\} as const/.exec(source)?.[1] ?? "";
  const real = [...flags.matchAll(/^ {2}"?([a-z-]+)"?: \{ type/gm)].map((m) => m[1]).sort();
  const table = /## Configuration([\s\S]*?)\n## /.exec(README)?.[1] ?? "";
  const told = table.split("\n").filter((line) => line.startsWith("| `--"))
    .flatMap((line) => [...line.split("|")[1].matchAll(/--([a-z-]+)/g)].map((m) => m[1])).sort();
  ok(real.length > 5, "no flags found in options.ts");
  same(told, real);
});

Deno.test("README: the table of routes has every path that the server answers", () => {
  const table = /## What the server answers([\s\S]*?)\n## /.exec(README)?.[1] ?? "";
  for (const { method, path } of ROUTES) {
    const plain = path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
    ok(table.includes(`\`${method} ${plain}\``), `README does not tell of ${method} ${plain}`);
  }
});
