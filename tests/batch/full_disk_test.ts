/** Files and batches of a server whose state folder's disk is full. Needs root and Linux: elsewhere nothing is mounted. */

import { BatchStore } from "../../src/batch/batch_store.ts";
import { BatchWorker } from "../../src/batch/batch_worker.ts";
import { DiskFullError } from "../../src/common/disk_full.ts";
import { onSmallDisk, type SmallDisk } from "../../tools/campaign/small_disk.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { chooseFreePort, waitForStatus } from "../support/processes.ts";
import { storeFile } from "../support/stored_file.ts";
import { inFolder } from "../weights/support.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const URL_OF_LINES = "/v1/chat/completions";
/** Bytes: room for SQLite's files and little else. */
const SMALL = 1 << 20, LARGE = 16 << 20;
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const lines = (count: number) =>
  Array.from(
    { length: count },
    (_, n) => JSON.stringify({ custom_id: `${n}`, url: URL_OF_LINES, body: { messages: [] } }),
  ).join("\n");

async function onDiskOf(bytes: number, use: (disk: SmallDisk) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    let mounted = false;
    const test = async (disk: SmallDisk) => {
      mounted = true;
      await use(disk);
    };
    try {
      await onSmallDisk(`${folder}/disk`, bytes, test);
    } catch (error) {
      if (mounted) throw error;
      console.log(`skipped: ${(error as Error).message}`);
    }
  });
}

/** Leaves no block free. */
function fill({ path }: SmallDisk): void {
  using file = Deno.openSync(`${path}/fill`, { append: true, create: true });
  try {
    for (;;) file.writeSync(new Uint8Array(4096));
  } catch { /* full */ }
}

function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
}

Deno.test("a store on a full disk says which file, keeps nothing half-written, and what it had", async () => {
  await onDiskOf(SMALL, async (disk) => {
    const store = new BatchStore(`${disk.path}/batches`);
    const kept = await storeFile(store, "me", new TextEncoder().encode(lines(500)));
    fill(disk);
    for (const size of [9000, 10]) {
      const error = await storeFile(store, "me", new Uint8Array(size)).catch((error) => error);
      assert(error instanceof DiskFullError, String(error));
      assertMatch(error.message, /^Cannot write \S+\/(files\/file-\w+|batches\.sqlite): the disk is full$/);
    }
    const error = thrown(() => {
      for (;;) store.addBatch("me", kept.id, URL_OF_LINES, JSON.stringify({ a: "x".repeat(400) }));
    });
    assert(error instanceof DiskFullError && error.path.endsWith("batches.sqlite"), String(error));
    assertEquals(store.files("me").map(({ id }) => id), [kept.id]);
    assertEquals([...Deno.readDirSync(`${disk.path}/batches/files`)].map(({ name }) => name), [kept.id]);
    const before = store.batches("me").length;
    store.removeFile(kept); // makes its own room
    assertEquals(store.files("me"), []);
    store.close();
    const again = new BatchStore(`${disk.path}/batches`);
    assertEquals([again.files("me"), again.batches("me").length], [[], before]);
    again.close();
    fill(disk);
    const other = thrown(() => new BatchStore(`${disk.path}/other`));
    assert(other instanceof DiskFullError, String(other));
  });
});

Deno.test("a batch that finds the disk full waits for room; every line once", async () => {
  await onDiskOf(SMALL, async (disk) => {
    const store = new BatchStore(`${disk.path}/batches`);
    const reports: string[] = [];
    let answers = 0;
    const worker = new BatchWorker(store, {
      knows: () => true,
      places: () => 4,
      report: (error) => reports.push(String(error)),
      answer: async (_, __, { n }) => {
        await sleep(1);
        if (++answers === 20) fill(disk);
        const body = { n, text: "x".repeat(answers % 3 === 0 ? 10 : 3000) };
        return { status: 200, requestId: "", retryAfter: 0, body };
      },
    }, 20);
    const input = await storeFile(store, "me", new TextEncoder().encode(lines(100)));
    const { id } = store.addBatch("me", input.id, URL_OF_LINES, "null");
    worker.wake();
    for (let i = 0; reports.length < 3 && i < 1000; i++) await sleep(10);
    assertMatch(reports[0], /Cannot write \S+\/files\/\S+: the disk is full/);
    assertEquals(store.batch("me", id)!.finished, null);
    await disk.grow(LARGE);
    for (let i = 0; store.batch("me", id)!.finished === null && i < 1000; i++) await sleep(10);
    const batch = store.batch("me", id)!;
    assertEquals([batch.status, batch.completed, batch.failed], ["completed", 100, 0]);
    const ids = Deno.readTextFileSync(store.path(batch.output!)).trim().split("\n")
      .map((line) => Number(JSON.parse(line).custom_id));
    assertEquals(ids.sort((a, b) => a - b), Array.from({ length: 100 }, (_, n) => n));
    await worker.close();
  });
});

Deno.test("POST /v1/files on a full disk: 507 in OpenAI's form, the log names the file, the server goes on", async () => {
  await onDiskOf(SMALL, async (disk) => {
    const state = `${disk.path}/state`, port = chooseFreePort(), url = `http://127.0.0.1:${port}`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "--no-check", MAIN, "serve", "--engine", "fake", "--port", `${port}`]
        .concat("--state", state, "--drain-grace", "0"),
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const log = new Response(child.stderr).text();
    const upload = () => {
      const form = new FormData();
      form.set("purpose", "batch");
      form.set("file", new File([lines(500)], "in.jsonl"));
      return fetch(`${url}/v1/files`, { method: "POST", body: form });
    };
    try {
      assert(await waitForStatus(`${url}/health`, 200, 60), "never ready");
      fill(disk);
      const refused = await upload();
      assertEquals(refused.status, 507);
      const { error } = await refused.json();
      assertEquals([error.type, error.code, error.param], ["server_error", "disk_full", null]);
      assertMatch(error.message, /disk that holds the server's state folder is full/);
      assert(!error.message.includes(disk.path), "the server's paths are its own");
      assertEquals([...Deno.readDirSync(`${state}/batches/files`)], []);
      const list = await fetch(`${url}/v1/files`);
      assertEquals([list.status, (await list.json()).data], [200, []]);
      await disk.grow(LARGE);
      const taken = await upload();
      assertEquals([taken.status, (await taken.json()).bytes], [200, lines(500).length]);
    } finally {
      child.kill("SIGTERM");
      await child.status;
    }
    assertMatch(await log, /Cannot write \S+\/batches\/files\/file-\w+: the disk is full/);
  });
});
