/** `main.ts serve` as a process: the ready line, exit codes, drain. */

import { assert, assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { serveOptions } from "../../src/commands/options.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function run(args: string[], env: Record<string, string> = {}) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, ...args],
    env,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let stdout = "", stderr = "";
  const reading = Promise.all([
    (async () => {
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) stdout += text;
    })(),
    (async () => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) stderr += text;
    })(),
  ]);
  return {
    child,
    async ready(): Promise<string> {
      for (let i = 0; i < 400; i++) {
        const match = /ready on (http:\S+)/.exec(stdout);
        if (match !== null) return match[1];
        await sleep(25);
      }
      throw new Error(`not ready: ${stdout}${stderr}`);
    },
    async ended() {
      const { code } = await child.status;
      await reading;
      return { code, stdout, stderr };
    },
  };
}

/** A server whose log nobody reads. */
async function runUnread(args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", MAIN, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let stdout = "", url: string | undefined;
  while (url === undefined) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`not ready: ${stdout}`);
    url = /ready on (http:\S+)/.exec(stdout += value)?.[1];
  }
  return { child, url, reader };
}

const FAKE = ["serve", "--engine", "fake", "--port", "0"];
const ask = (url: string, body: unknown) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

Deno.test("a ready line, an answer, a drain that lets streams finish", async () => {
  const server = run([
    ...FAKE,
    "--drain-grace",
    "1",
    "--drain-timeout",
    "20",
    "--engine-options",
    '{"stepMs":10}',
  ]);
  const url = await server.ready();
  assertEquals((await fetch(`${url}/health`).then((response) => response.json())).status, "ok");
  const streaming = await ask(url, { stream: true, messages: [{ role: "user", content: "say 50 words" }] });
  server.child.kill("SIGTERM");
  await sleep(200);
  const health = await fetch(`${url}/readyz`);
  assertEquals([health.status, (await health.json()).error.code], [503, "draining"]);
  // Routers that have not noticed yet are still served.
  const late = await ask(url, { messages: [{ role: "user", content: "echo: late" }] });
  assertEquals((await late.json()).choices[0].message.content, "late");
  assertMatch(await streaming.text(), /data: \[DONE\]\n\n$/);
  const { code, stdout } = await server.ended();
  assertEquals(code, 0);
  assertMatch(stdout, /^valley3-demo ready on http:\/\/127\.0\.0\.1:\d+ \(fake, /);
});

Deno.test("a stream that outlasts the drain ends in-band", async () => {
  const server = run([...FAKE, "--drain-grace", "0", "--drain-timeout", "1"]);
  const url = await server.ready();
  const streaming = await ask(url, { stream: true, messages: [{ role: "user", content: "forever" }] });
  const before = performance.now();
  server.child.kill("SIGTERM");
  const text = await streaming.text();
  assertMatch(text, /data: \{"error":\{[^}]*"code":"unavailable"\}\}\n\n$/);
  assertEquals((await server.ended()).code, 0);
  assert(performance.now() - before < 6000);
});

Deno.test("a second signal ends it at once, a Ctrl-C that comes twice does not", async () => {
  const server = run([...FAKE, "--drain-grace", "30"]);
  const url = await server.ready();
  server.child.kill("SIGTERM");
  await sleep(100);
  server.child.kill("SIGTERM"); // the same one once more
  await sleep(1000);
  assertEquals((await fetch(`${url}/livez`)).status, 200);
  server.child.kill("SIGTERM");
  assertEquals((await server.ended()).code, 0);
});

Deno.test("what can't start says why", async () => {
  const cases: [string[], number, RegExp][] = [
    [["serve", "--engine", "fake", "--host", "0.0.0.0"], 64, /without keys.*--insecure/],
    [["serve", "--engine", "other"], 64, /--engine must be gpu or fake/],
    [["serve", "--nonsense"], 64, /nonsense/],
    [["serve", "--port", "70000"], 64, /port/],
    [["serve", "--model", "/nowhere/at-all"], 64, /\/nowhere\/at-all/],
    [["serve", "--engine", "fake", "--api-keys", "/nowhere/keys"], 69, /keys/],
    [["dance"], 64, /Unknown command dance/],
  ];
  await Promise.all(cases.map(async ([args, code, pattern]) => {
    const end = await run(args).ended();
    assertEquals(end.code, code, `${args}: ${end.stderr}`);
    assertMatch(end.stderr, pattern);
  }));
});

Deno.test("flags go before variables", () => {
  const options = (args: string[], env: Record<string, string>) => serveOptions(args, env, "/demo");
  assertEquals(options([], {}).port, 8000);
  assertEquals(options([], { PORT: "1" }).port, 1);
  assertEquals(options([], { PORT: "1", VALLEY_PORT: "2" }).port, 2);
  assertEquals(options(["--port", "3"], { PORT: "1", VALLEY_PORT: "2" }).port, 3);
  assertEquals(
    options([], { VALLEY_ENGINE: "fake", VALLEY_INSECURE: "1", VALLEY_DRAIN_GRACE: "7" }).drainGrace,
    7,
  );
  assertEquals(options([], { VALLEY_INSECURE: "false" }).insecure, false);
  assertEquals(options(["--model", "x"], {}).model, "x");
});

Deno.test("a file of flags comes last, and knows no other names", async () => {
  const path = await Deno.makeTempFile();
  const options = (file: unknown, args: string[] = [], env: Record<string, string> = {}) => {
    Deno.writeTextFileSync(path, JSON.stringify(file));
    return serveOptions(["--config", path, ...args], env, "/demo");
  };
  try {
    const file = {
      port: 9,
      insecure: true,
      "allow-media-host": ["a.test", "B.test:8080"],
      "engine-options": { x: 1 },
    };
    const { port, insecure, allowMediaHosts, engineOptions } = options(file);
    assertEquals([port, insecure, allowMediaHosts, engineOptions], [9, true, ["a.test", "b.test:8080"], {
      x: 1,
    }]);
    assertEquals(options(file, ["--port", "7"]).port, 7);
    assertEquals(options(file, [], { VALLEY_PORT: "8" }).port, 8);
    assertEquals(options(file, ["--allow-media-host", "c", "--allow-media-host", "d"]).allowMediaHosts, [
      "c",
      "d",
    ]);
    for (
      const [wrong, pattern] of [[{ prot: 1 }, /no flag prot/], [[], /JSON object/], [
        { config: "x" },
        /no flag config/,
      ]] as const
    ) {
      await assertThrows(() => options(wrong), pattern);
    }
    await assertThrows(() => options({}, ["--tls-cert", "x"]), /go together/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a log that nobody reads holds up no answer", async () => {
  const { child, url, reader } = await runUnread(FAKE);
  // Some 200 bytes a line: far more than a pipe holds, and than Deno reads ahead.
  const statuses = new Set<number>();
  for (let i = 0; i < 200; i++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => fetch(`${url}/health`)));
    for (const answer of answers) {
      statuses.add(answer.status);
      await answer.body?.cancel();
    }
  }
  assertEquals([...statuses], [200]);
  const log = new Response(child.stderr).text();
  child.kill("SIGINT");
  const { code } = await child.status;
  assertEquals([code, (await log).match(/"path":"\/health"/g)?.length], [0, 2000]);
  await reader.cancel();
});
