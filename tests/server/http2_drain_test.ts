/** SIGTERM while a connection of HTTP/2 is in use: its streams end whole, nothing new begins, the process ends. */

import type { ClientHttp2Session } from "node:http2";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type Certificate, testTls } from "../support/certificate.ts";
import { answerTo, chat, closed, connect } from "../support/http2_client.ts";
import { user } from "../support/server_harness.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** A server with TLS, once it is ready. */
async function serve(tls: Certificate, flags: string[]) {
  const folder = await Deno.makeTempDir();
  Deno.writeTextFileSync(`${folder}/cert.pem`, tls.cert);
  Deno.writeTextFileSync(`${folder}/key.pem`, tls.key);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--no-check", MAIN, "serve", "--engine", "fake", "--port", "0"],
      ...["--tls-cert", `${folder}/cert.pem`, "--tls-key", `${folder}/key.pem`, ...flags],
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "", port = 0;
  while (port === 0) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`not ready: ${said}`);
    port = Number(/ready on https:\/\/127\.0\.0\.1:(\d+)/.exec(said += value)?.[1] ?? 0);
  }
  return {
    port,
    terminate: () => child.kill("SIGTERM"),
    async ended() {
      const { code } = await child.status;
      await reader.cancel();
      await Deno.remove(folder, { recursive: true });
      return code;
    },
  };
}

/** Resolves with the status of /readyz once it is no longer 200. */
async function untilNotReady(session: ClientHttp2Session) {
  for (;;) {
    const answer = await answerTo(session.request({ ":path": "/readyz" }));
    if (answer.status !== 200) return { status: answer.status, code: JSON.parse(answer.text).error.code };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

testTls("HTTP/2: a drain lets the streams of a connection finish and takes no more", async (tls) => {
  const server = await serve(tls, [
    ...["--drain-grace", "1", "--drain-timeout", "60"],
    ...["--engine-options", '{"stepMs":15}'],
  ]);
  const session = await connect(server.port, tls.cert), idle = await connect(server.port, tls.cert);
  const ends = [closed(session), closed(idle)];
  const goaway = new Promise<void>((resolve) => session.once("goaway", () => resolve()));
  const running = chat(session, { stream: true, messages: [user("say 60 words")] });
  const answer = answerTo(running);
  await new Promise((resolve) => running.once("response", resolve));
  server.terminate();

  assertEquals(await untilNotReady(session), { status: 503, code: "draining" });
  // Routers that have not noticed yet are still served.
  const late = await answerTo(chat(session, { messages: [user("echo: late")] }));
  assertEquals(JSON.parse(late.text).choices[0].message.content, "late");

  await goaway;
  assertEquals((await ends[1]).goaway, 0); // nothing is under way there
  // What the client has sent before it heard of the end: no stream of it is answered.
  let refused = false;
  try {
    const { status } = await answerTo(chat(session, { messages: [user("echo: too late")] }));
    refused = status === 0 || status === 503;
  } catch {
    refused = true; // the client knows
  }
  assert(refused);
  const connected = await Deno.connect({ hostname: "127.0.0.1", port: server.port }).then((connection) => {
    connection.close();
    return true;
  }, () => false);
  assert(!connected, "a new connection is taken");

  const { status, text, code } = await answer;
  assertEquals([status, code], [200, 0]);
  const words = text.split("\n\n").filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)).choices[0].delta.content ?? "").join("");
  assertEquals(words.trim().split(/\s+/).length, 60);
  assertMatch(text, /"finish_reason":"stop".*data: \[DONE\]\n\n$/s);
  assertEquals((await ends[0]).goaway, 0);
  assertEquals(await server.ended(), 0);
});

testTls("HTTP/2: a stream that outlasts the drain ends in-band", async (tls) => {
  const server = await serve(tls, ["--drain-grace", "0", "--drain-timeout", "1"]);
  const session = await connect(server.port, tls.cert);
  const running = chat(session, { stream: true, messages: [user("forever")] });
  const answer = answerTo(running);
  await new Promise((resolve) => running.once("response", resolve));
  server.terminate();
  assertMatch((await answer).text, /data: \{"error":\{[^}]*"code":"unavailable"\}\}\n\n$/);
  assertEquals(await server.ended(), 0);
  session.destroy();
});
