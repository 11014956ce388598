/** Pull broken off and gone on with: what was finished is kept, what was lost is fetched again, and only that. */
import { pull, pulledEarlier } from "../../src/weights/pull.ts";
import { isHubId } from "../../src/weights/hub_repo.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { FaultyDisk, Killed } from "./faulty_disk.ts";
import { CHUNK, FILES, ID, isWeights, quick, WEIGHTS } from "./pull_support.ts";
import { inFolder } from "./support.ts";
import { COMMIT, TestHub } from "./test_hub.ts";

Deno.test("pull: killed at every operation of the disk, the next run keeps what was finished", async () => {
  await using hub = new TestHub(ID, FILES);
  let cuts = 0;
  for (let at = 0;; at += at < 40 ? 1 : 3) {
    const done = await inFolder(async (root) => {
      let reached = 0;
      try {
        await pull(root, ID, {
          ...quick(hub),
          parallel: 1,
          disk: new FaultyDisk({ at, kind: "kill" }),
          onProgress: (bytes) => reached = Math.max(reached, bytes),
        });
        return true;
      } catch (error) {
        assert(error instanceof Killed, `operation ${at}: ${error}`);
      }
      cuts++;
      assertEquals(pulledEarlier(root, ID), null);
      hub.sent = 0;
      const { folder } = await pull(root, ID, quick(hub));
      assertEquals(Deno.readFileSync(`${folder}/${WEIGHTS}`), FILES[WEIGHTS]);
      const all = Object.values(FILES).reduce((sum, file) => sum + file.length, 0);
      // All but the chunk under way and one that was not entered yet.
      assert(hub.sent <= all - reached + 2 * CHUNK, `${hub.sent} bytes after ${reached} of ${all}`);
      return false;
    });
    if (done) break;
  }
  assert(cuts > 40, `${cuts} cuts`);
});

Deno.test("pull: bytes lost on disk after they were entered are fetched again, and only they; offline later", async () => {
  await using hub = new TestHub(ID, FILES);
  await inFolder(async (root) => {
    const stop = new AbortController();
    hub.misbehave = (request) => {
      if (isWeights(request) && request.range?.from === 8000) stop.abort();
      return null;
    };
    await pull(root, ID, { ...quick(hub), parallel: 1, signal: stop.signal }).catch(() => {});
    const part = `${root}/hub/org--model/${COMMIT}/.pulling/${WEIGHTS}`;
    const bytes = Deno.readFileSync(part);
    bytes[3100] ^= 4;
    Deno.writeFileSync(part, bytes);
    hub.misbehave = () => null;
    hub.requests.length = 0;
    const pulled = await pull(root, ID, quick(hub));
    assertEquals(Deno.readFileSync(`${pulled.folder}/${WEIGHTS}`), FILES[WEIGHTS]);
    const ranges = hub.requests.filter(isWeights).map((r) => r.range!.from).sort();
    assertEquals(ranges, [3000, 8000, 9000]);
    assertEquals(pulledEarlier(root, ID), pulled);
    assertEquals(pulledEarlier(root, ID, "other"), null);
    hub.requests.length = 0;
    await pull(root, ID, quick(hub));
    assertEquals(hub.requests.length, 1, "a second pull asks for the list alone");
  });
});

Deno.test("pull: names that would leave the folder are no ids", () => {
  for (
    const id of [
      "",
      "a",
      "a/b/c",
      "../b",
      "a/..",
      "a/.b",
      "a/b\0",
      "/b",
      "a/",
      "http://x/y",
      "a b/c",
      "a/b..c",
    ]
  ) {
    assert(!isHubId(id), id);
  }
  assert(isHubId("bytedance-research/Valley2.5"));
});
