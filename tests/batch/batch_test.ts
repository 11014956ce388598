/** `batch`: every line answered once, whatever it is cut off by; bad files are named before anything is sent. */
import { setTimeout as pause } from "node:timers/promises";
import { parseLine, prefixKey } from "../../src/batch/batch_line.ts";
import { overHttp, runBatch } from "../../src/batch/batch_run.ts";
import { Turns } from "../../src/common/turns.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { random } from "../support/gpu.ts";
import { inFolder } from "../weights/support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const line = (id: string, content: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { messages: [{ role: "user", content }] },
    ...more,
  });

/** A server that counts what it is asked. */
function stub(reply: (content: string, times: number) => Response | Promise<Response>) {
  const asked: string[] = [];
  const counts = new Map<string, number>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { messages } = await request.json();
    const { content } = messages[0];
    asked.push(content);
    const times = counts.get(content) ?? 0;
    counts.set(content, times + 1);
    return await reply(content, times);
  });
  return { asked, url: `http://127.0.0.1:${server.addr.port}`, close: () => server.shutdown() };
}

const answersOf = (path: string) =>
  Deno.readTextFileSync(path).split("\n").filter((text) => text !== "").map((text) => JSON.parse(text));

const options = (folder: string, urls: string[]) => ({
  input: `${folder}/in.jsonl`,
  output: `${folder}/out.jsonl`,
  errors: `${folder}/errors.jsonl`,
  send: overHttp(urls, null),
  parallel: 4,
  backoff: 1,
});

Deno.test("batch: killed again and again, every line is there once", async () => {
  await inFolder(async (folder) => {
    const server = stub((content) => Response.json({ echo: content }));
    const lines = 1500;
    const ids = Array.from({ length: lines }, (_, i) => `id-${i}`);
    Deno.writeTextFileSync(`${folder}/in.jsonl`, ids.map((id, i) => line(id, `question ${i}`)).join("\n"));
    const run = () =>
      new Deno.Command(Deno.execPath(), {
        args: [
          ...[
            "run",
            "-A",
            "--quiet",
            "--no-check",
            MAIN,
            "batch",
            `${folder}/in.jsonl`,
            `${folder}/out.jsonl`,
          ],
          ...["--url", server.url, "--parallel", "8"],
        ],
        stdout: "null",
        stderr: "null",
      }).spawn();
    const next = random(11);
    let killed = 0;
    try {
      for (; killed < 4; killed++) {
        const before = server.asked.length;
        const child = run();
        const goal = before + 30 + next() * 200;
        while (server.asked.length < goal) await new Promise((resolve) => setTimeout(resolve, 2));
        child.kill("SIGKILL");
        await child.status;
      }
      assertEquals((await run().status).code, 0);
    } finally {
      await server.close();
    }
    const answers = answersOf(`${folder}/out.jsonl`);
    assertEquals(answers.map((a) => a.custom_id).sort(), [...ids].sort());
    for (const { custom_id, response } of answers) {
      assertEquals(response.body.echo, `question ${custom_id.slice(3)}`);
    }
    assert(server.asked.length < lines + 4 * 16, `${server.asked.length} requests for ${lines} lines`);
  });
});

Deno.test("batch: same beginnings together; full servers asked again, refused lines in the error file, a dead server passed over", async () => {
  await inFolder(async (folder) => {
    const server = stub((content, times) => {
      if (content.includes("bad")) {
        return Response.json({ error: { code: "invalid", message: "no" } }, { status: 400 });
      }
      return content.includes("busy") && times < 2
        ? new Response("{}", { status: 429, headers: { "retry-after": "0.01" } })
        : Response.json({ ok: true });
    });
    const texts = ["b 1", "a 1 bad", "b 2 busy", "a 2", "b 3", "a 3"];
    const long = (text: string) => text[0].repeat(300) + text;
    Deno.writeTextFileSync(
      `${folder}/in.jsonl`,
      texts.map((t, i) => line(`${i}`, long(t))).join("\n") + "\n\n",
    );
    const run = () => runBatch({ ...options(folder, [server.url, "http://127.0.0.1:1"]), parallel: 1 });
    try {
      assertEquals(await run(), { lines: 6, answered: 5, failed: 1 });
      const order = server.asked.map((content) => content[0]).join("");
      assertEquals(order.replace(/(.)\1+/g, "$1"), "ab", order);
      assertEquals(answersOf(`${folder}/errors.jsonl`).map((a) => [a.custom_id, a.error.code]), [[
        "1",
        "invalid",
      ]]);
      const before = server.asked.length;
      assertEquals(await run(), { lines: 6, answered: 5, failed: 1 });
      assertEquals(server.asked.length, before, "nothing is asked twice");
    } finally {
      await server.close();
    }
  });
});

Deno.test("batch: a full server is asked until it has room, one that fails 12 times", async () => {
  await inFolder(async (folder) => {
    const server = stub((content, times) =>
      content === "full" && times > 20
        ? Response.json({ ok: true })
        : new Response("{}", { status: content === "full" ? 429 : 503 })
    );
    Deno.writeTextFileSync(`${folder}/in.jsonl`, `${line("1", "full")}\n${line("2", "away")}\n`);
    try {
      const result = await runBatch({ ...options(folder, [server.url]), backoff: 0 });
      assertEquals(result, { lines: 2, answered: 1, failed: 1 });
      assertEquals(server.asked.filter((content) => content === "away").length, 12);
    } finally {
      await server.close();
    }
  });
});

Deno.test("batch: ended while a full server is waited for, it does not wait on", async () => {
  await inFolder(async (folder) => {
    const full = () => new Response("{}", { status: 429, headers: { "retry-after": "60" } });
    const stop = new AbortController();
    const server = stub(() => (setTimeout(() => stop.abort(), 50), full()));
    Deno.writeTextFileSync(`${folder}/in.jsonl`, line("1", "a"));
    const tooLong = pause(20_000, undefined, { ref: false }).then(() => assert(false, "it waits"));
    const run = () => runBatch({ ...options(folder, [server.url]), signal: stop.signal });
    try {
      await Promise.race([tooLong, assertThrows(run, /aborted/)]);
      assertEquals(answersOf(`${folder}/errors.jsonl`), []);
    } finally {
      await server.close();
    }
  });
});

Deno.test("batch: a wrong file is told by line before anything is sent", async () => {
  await inFolder(async (folder) => {
    const server = stub(() => Response.json({}));
    const refuse = async (text: string, wanted: RegExp) => {
      Deno.writeTextFileSync(`${folder}/in.jsonl`, text);
      await assertThrows(() => runBatch(options(folder, [server.url])), wanted);
    };
    try {
      await refuse(`${line("1", "a")}\n{`, /line 2: it is not JSON/);
      await refuse(`${line("1", "a")}\n${line("1", "b")}`, /line 2: its custom_id was there before/);
      await refuse(line("", "a"), /line 1: custom_id/);
      await refuse(line("1", "a", { url: "/v1/embeddings" }), /line 1: url is "\/v1\/embeddings"/);
      await refuse(line("1", "a", { body: { stream: true } }), /a batch does not stream/);
      await assertThrows(
        () => runBatch({ ...options(folder, [server.url]), input: `${folder}/none.jsonl` }),
        /there is no such file/,
      );
      assertEquals(server.asked.length, 0);
    } finally {
      await server.close();
    }
  });
});

Deno.test("batch: the key is the prompt's beginning", async () => {
  const key = async (content: string) =>
    prefixKey(await parseLine([new TextEncoder().encode(line("1", content))], new Turns()));
  assert(await key("same start, then a") !== await key("other"));
  assertEquals(await key("x".repeat(400) + "a"), await key("x".repeat(400) + "b"));
});

Deno.test("batch: a line that would hold up everybody gets its error unparsed; the others are answered", async () => {
  await inFolder(async (folder) => {
    const server = stub((content) => Response.json({ echo: content }));
    try {
      const heavy = (id: string, body: string) =>
        `{"body":{"custom_id":"inner","messages":${body}},"note":"\\"custom_id\\":\\"text\\"","custom_id":"${id}",` +
        `"method":"POST","url":"/v1/chat/completions"}`;
      const lines = [
        line("first", "one"),
        heavy("many", `[${"[],".repeat(1 << 18)}[]]`),
        heavy("de\\u0065p", "[".repeat(40) + "]".repeat(40)),
        heavy("wide", `{${Array.from({ length: 5000 }, (_, i) => `"k${i}":1`)}}`),
        line("last", "two"),
      ];
      Deno.writeTextFileSync(`${folder}/in.jsonl`, lines.join("\n"));
      const given = options(folder, [server.url]);
      assertEquals(await runBatch(given), { lines: 5, answered: 2, failed: 3 });
      assertEquals(answersOf(given.output).map((a) => a.custom_id).sort(), ["first", "last"]);
      assertEquals(
        answersOf(given.errors).map((a) => [a.custom_id, a.error.code]).sort(),
        [["deep", "json_too_deep"], ["many", "json_too_large"], ["wide", "json_too_wide"]],
      );
      assertEquals(server.asked.sort(), ["one", "two"]);
      await runBatch(given); // nothing is left: nobody is asked again
      assertEquals([server.asked.length, answersOf(given.errors).length], [2, 3]);
    } finally {
      await server.close();
    }
  });
});
