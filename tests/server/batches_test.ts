/** /v1/files and /v1/batches through the openai client: answered, restarted in the middle, cancelled, each key for itself. */
import OpenAI, { toFile } from "openai";
import { chooseFreePort, waitForStatus } from "../support/processes.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { inFolder } from "../weights/support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function withServer(
  state: string,
  use: (client: OpenAI, url: string) => Promise<void>,
  signal: Deno.Signal,
  engine: Record<string, number> = {},
) {
  const port = chooseFreePort();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--no-check", MAIN, "serve", "--engine", "fake", "--port", `${port}`],
      ...[
        "--state",
        state,
        "--engine-options",
        JSON.stringify({ stepMs: 2, ...engine }),
        "--drain-grace",
        "0",
      ],
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `http://127.0.0.1:${port}`;
    assert(await waitForStatus(`${url}/health`, 200, 60), "never ready");
    await use(new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 }), url);
  } finally {
    child.kill(signal);
    await child.status;
  }
}

const line = (id: string, url = "/v1/chat/completions", more: Record<string, unknown> = {}) =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url,
    body: { messages: [{ role: "user", content: `hello ${id}` }], max_tokens: 20, ...more },
  });

async function over(client: OpenAI, id: string) {
  for (let i = 0; i < 600; i++) {
    const batch = await client.batches.retrieve(id);
    if (["completed", "failed", "cancelled"].includes(batch.status)) return batch;
    await sleep(50);
  }
  throw new Error("the batch never ended");
}

Deno.test("batches: killed in the middle, the restarted server answers the rest; every line once", async () => {
  await inFolder(async (folder) => {
    const ids = Array.from({ length: 60 }, (_, i) => `r${i}`);
    const text = [...ids.map((id) => line(id)), line("bad", undefined, { max_tokens: -1 })].join("\n");
    let batch = "";
    await withServer(folder, async (client) => {
      const file = await client.files.create({
        file: await toFile(new TextEncoder().encode(text), "in.jsonl"),
        purpose: "batch",
      });
      assertEquals(await (await client.files.content(file.id)).text(), text);
      ({ id: batch } = await client.batches.create({
        input_file_id: file.id,
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
        metadata: { shop: "a" },
      }));
      for (let i = 0; i < 200; i++) {
        const { request_counts } = await client.batches.retrieve(batch);
        if (request_counts!.completed >= 5) break;
        await sleep(20);
      }
    }, "SIGKILL");
    await withServer(folder, async (client) => {
      const done = await over(client, batch);
      assertEquals([done.status, done.request_counts, done.metadata], [
        "completed",
        { total: 61, completed: 60, failed: 1 },
        { shop: "a" },
      ]);
      const read = async (id: string) =>
        (await (await client.files.content(id)).text()).trim().split("\n").map((text) => JSON.parse(text));
      const answers = await read(done.output_file_id!);
      assertEquals(answers.map((a) => a.custom_id).sort(), [...ids].sort());
      for (const { response } of answers) assert(response.body.choices[0].message.content.length > 0);
      const [failed] = await read(done.error_file_id!);
      assertEquals(failed.custom_id, "bad");
      assertEquals((await client.batches.list()).data.length, 1);
      await client.files.delete(done.output_file_id!);
      const gone = await client.files.retrieve(done.output_file_id!).catch((error) => error);
      assertEquals(gone.status, 404);
    }, "SIGTERM");
  });
});

Deno.test("batches: cancelled; a wrong file fails with its line; wrong requests get 4xx", async () => {
  await inFolder(async (folder) => {
    await withServer(folder, async (client, url) => {
      const upload = async (text: string) =>
        (await client.files.create({
          file: await toFile(new TextEncoder().encode(text), "in.jsonl"),
          purpose: "batch",
        })).id;
      const start = async (text: string) =>
        (await client.batches.create({
          input_file_id: await upload(text),
          endpoint: "/v1/chat/completions",
          completion_window: "24h",
        })).id;
      const wrong = await over(client, await start(`${line("1")}\n{"custom_id":1}`));
      assertEquals(wrong.status, "failed");
      assertMatch(wrong.errors!.data![0].message!, /^line 2: custom_id/);
      const long = await start(Array.from({ length: 400 }, (_, i) => line(`${i}`)).join("\n"));
      await sleep(200);
      await client.batches.cancel(long);
      assertEquals((await over(client, long)).status, "cancelled");
      const status = async (path: string, init: RequestInit) => {
        const reply = await fetch(`${url}/v1${path}`, init);
        await reply.body?.cancel();
        return reply.status;
      };
      assertEquals(await status("/files", { method: "POST", body: "x" }), 415);
      const form = new FormData();
      form.set("purpose", "batch");
      assertEquals(await status("/files", { method: "POST", body: form }), 400);
      for (const [field, value] of [["file", "no file"], ["purpose", "fine-tune"]]) {
        const bad = new FormData();
        bad.set("file", new File(["x"], "in.jsonl"));
        bad.set("purpose", "batch");
        bad.set(field, value);
        const { error } = await fetch(`${url}/v1/files`, { method: "POST", body: bad }).then((r) => r.json());
        assertEquals([error.param, error.code], [field, "invalid_value"]);
        assertMatch(error.message, new RegExp(`^${field}: `));
      }
      assertEquals(await status("/batches/none", {}), 404);
      assertEquals(await status("/files/..%2f..%2fetc", {}), 404);
      const body = JSON.stringify({
        input_file_id: "x",
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
      });
      const headers = { "content-type": "application/json" };
      assertEquals(await status("/batches", { method: "POST", headers, body }), 400);
    }, "SIGTERM");
  });
});

Deno.test("batches: who waits for an answer finds a place beside a running batch", async () => {
  await inFolder(async (folder) => {
    await withServer(
      folder,
      async (client) => {
        const forever = { messages: [{ role: "user", content: "forever" }], max_tokens: 4000 };
        const text = Array.from({ length: 8 }, (_, n) => line(`${n}`, undefined, forever)).join("\n");
        const { id: input_file_id } = await client.files.create({
          file: await toFile(new TextEncoder().encode(text), "in.jsonl"),
          purpose: "batch",
        });
        const endpoint = "/v1/chat/completions", completion_window = "24h";
        const { id } = await client.batches.create({ input_file_id, endpoint, completion_window });
        while ((await client.batches.retrieve(id)).status !== "in_progress") await sleep(20);
        const { choices } = await client.chat.completions.create({
          model: "valley3-demo",
          messages: [{ role: "user", content: "echo: here" }],
        });
        assertEquals(choices[0].message.content, "here");
        assertEquals((await client.batches.retrieve(id)).request_counts!.completed, 0); // a line takes 8 s
        await client.batches.cancel(id);
      },
      "SIGTERM",
      { maxSequences: 2 },
    );
  });
});

Deno.test("batches: a line too heavy to be parsed has its error beside the others' answers; without a custom_id the file fails", async () => {
  await inFolder(async (folder) => {
    await withServer(folder, async (client) => {
      const batchOf = async (lines: string[]) => {
        const file = await toFile(new TextEncoder().encode(lines.join("\n")), "in.jsonl");
        const { id: input_file_id } = await client.files.create({ file, purpose: "batch" });
        const endpoint = "/v1/chat/completions", completion_window = "24h";
        const { id } = await client.batches.create({ input_file_id, endpoint, completion_window });
        return await over(client, id);
      };
      const heavy = `{"body":{"messages":[${"[],".repeat(1 << 18)}[]]},"method":"POST",`;
      const url = `"url":"/v1/chat/completions"}`;
      const done = await batchOf([line("first"), `${heavy}"custom_id":"heavy",${url}`, line("last")]);
      const counts = { total: 3, completed: 2, failed: 1 };
      assertEquals([done.status, done.request_counts], ["completed", counts]);
      const read = async (id: string) =>
        (await (await client.files.content(id)).text()).trim().split("\n").map((text) => JSON.parse(text));
      const answers = await read(done.output_file_id!), errors = await read(done.error_file_id!);
      assertEquals(answers.map((a) => a.custom_id).sort(), ["first", "last"]);
      assertEquals(errors.map((e) => [e.custom_id, e.response, e.error.code]), [[
        "heavy",
        null,
        "json_too_large",
      ]]);
      assertMatch(errors[0].error.message, /^The line's JSON has more than 262144 values/);
      const failed = await batchOf([line("first"), `${heavy}${url}`]);
      assertEquals([failed.status, failed.output_file_id ?? null], ["failed", null]);
      assertMatch(failed.errors!.data![0].message!, /^line 2: its JSON .*no custom_id/);
    }, "SIGTERM");
  });
});
