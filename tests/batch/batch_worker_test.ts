/** Batches inside a server: whose they are, and how much room they take. */

import { BatchStore } from "../../src/batch/batch_store.ts";
import { BatchWorker } from "../../src/batch/batch_worker.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { storeFile } from "../support/stored_file.ts";
import { inFolder } from "../weights/support.ts";

const endpoint = "/v1/chat/completions";
const fileOf = (lines: number) =>
  new TextEncoder().encode(
    Array.from(
      { length: lines },
      (_, n) => JSON.stringify({ custom_id: `${n}`, url: endpoint, body: { messages: [] } }),
    ).join("\n"),
  );

Deno.test("a key that is taken away ends its batch with what was answered; others go on, in half of the places", async () => {
  await inFolder(async (folder) => {
    const store = new BatchStore(folder);
    const known = new Set(["a", "b"]);
    const answered: Record<string, number> = { a: 0, b: 0 };
    let open = 0, most = 0, busy = 3;
    const problems: unknown[] = [], asked: string[] = [];
    const worker = new BatchWorker(store, {
      knows: (owner) => known.has(owner),
      places: () => 6,
      report: (error) => problems.push(error),
      async answer(owner) {
        asked.push(owner);
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 1));
        open--;
        // The model is being loaded again: that is waited out.
        if (busy-- > 0) return { status: 503, requestId: "", retryAfter: 0.001, body: {} };
        if (++answered[owner] === 5 && owner === "a") known.delete("a");
        return { status: 200, requestId: "", retryAfter: 0, body: { ok: true } };
      },
    });
    const batchOf = async (owner: string) =>
      store.addBatch(owner, (await storeFile(store, owner, fileOf(40))).id, endpoint, "null");
    const a = await batchOf("a"), b = await batchOf("b");
    worker.wake();
    const over = async (owner: string, id: string) => {
      for (;; await new Promise((resolve) => setTimeout(resolve, 5))) {
        const batch = store.batch(owner, id)!;
        if (batch.finished !== null) return batch;
      }
    };
    const ended = await over("a", a.id);
    const other = await over("b", b.id);
    assertEquals([ended.status, other.status, other.completed], ["failed", "completed", 40]);
    assertMatch(ended.problem!, /API key .* not known any more/);
    const kept = Deno.readTextFileSync(store.path(ended.output!)).trim().split("\n").length;
    assertEquals([kept >= 2, kept <= 5, most, problems], [true, true, 3, []]);
    assertEquals(asked.indexOf("b") > asked.lastIndexOf("a"), true, "the older one first");
    await worker.close();
  });
});

Deno.test("a batch is cancelled, or its server closed, while its lines are still counted", async () => {
  await inFolder(async (folder) => {
    const problems: unknown[] = [];
    const workerOf = (store: BatchStore) =>
      new BatchWorker(store, {
        knows: () => true,
        places: () => 8,
        report: (error) => problems.push(error),
        answer: () => Promise.resolve({ status: 200, requestId: "", retryAfter: 0, body: {} }),
      });
    const lines = 20_000;
    const store = new BatchStore(folder), worker = workerOf(store);
    const input = await storeFile(store, "a", fileOf(lines));
    const [first, second] = [1, 2].map(() => store.addBatch("a", input.id, endpoint, "null"));
    const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
    worker.wake();
    await turn();
    assertEquals(store.batch("a", first.id)!.status, "validating");
    worker.cancel(first.id);
    while (store.batch("a", first.id)!.finished === null) await turn();
    const { status, output } = store.batch("a", first.id)!;
    assertEquals([status, output, problems], ["cancelled", null, []]);
    await worker.close();
    const again = new BatchStore(folder);
    assertEquals(again.batch("a", second.id)!.status, "validating");
    const other = workerOf(again);
    other.wake();
    while (again.batch("a", second.id)!.finished === null) await turn();
    const { completed, total } = again.batch("a", second.id)!;
    assertEquals([completed, total, problems], [lines, lines, []]);
    await other.close();
  });
});
