/** The terminal chat over a real pipe. */

import { match, strictEqual as equal } from "node:assert";
import { dataUrl, startServer } from "../support/server_harness.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

async function pipe(url: string, question: string) {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      "--allow-net",
      "--allow-read",
      "--allow-env",
      MAIN,
      "chat",
      "--url",
      url,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(question));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("chat: one question from a pipe, its answer on standard output, with a picture by path", async () => {
  const server = await startServer();
  const picture = await Deno.makeTempFile({ suffix: ".png" });
  try {
    await Deno.writeTextFile(picture, atob(dataUrl("64x64").split(",")[1]));
    const text = await pipe(server.url, "say 3 words");
    equal(text.out, "word1 word2 word3\n");
    equal(text.code, 0);
    match((await pipe(server.url, `/image ${picture}\nwhat is it`)).out, /I got 4 image tokens/);
  } finally {
    await Deno.remove(picture);
    await server.close();
  }
});

Deno.test("chat: without a server it says how to start one", async () => {
  const { code, out, err } = await pipe("http://127.0.0.1:1", "hello");
  equal(code, 1);
  equal(out, "");
  match(err, /deno task start/);
});
