/** Batches inside a server: whose they are, and how much room they take. */

import { BatchStore } from "../../src/batch/batch_store.ts";
import { BatchWorker } from "../../src/batch/batch_worker.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";
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
    const [a, b] = ["a", "b"].map((owner) =>
      store.addBatch(owner, store.addFile(owner, "in.jsonl", "batch", fileOf(40)).id, endpoint, "null")
    );
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
