/** Pull from several origins: who is asked, who hears the token, and when it is given up. */
import { setTimeout as pause } from "node:timers/promises";
import { pull } from "../../src/weights/pull.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { FILES, ID, isWeights, pulled, quick, WEIGHTS } from "./pull_support.ts";
import { inFolder } from "./support.ts";
import { TestHub } from "./test_hub.ts";

Deno.test("pull: the token stays with its host, a mirror takes over, a redirect elsewhere is followed", async () => {
  await using other = new TestHub(ID, FILES);
  const hub = await pulled(
    (request) => isWeights(request) ? Response.redirect(`${other.url}/cdn/${WEIGHTS}`, 302) : null,
  );
  assert(
    hub.requests.every(({ authorization }) => authorization === "Bearer secret"),
    "own host: with token",
  );
  assert(
    other.requests.length > 0 && other.requests.every((r) => r.authorization === null),
    "elsewhere: without",
  );
  other.requests.length = 0;
  await pulled((request) => isWeights(request) ? new Response("", { status: 404 }) : null, {
    mirrors: [other.url],
  });
  assert(
    other.requests.length > 0 && other.requests.every((r) => r.authorization === null),
    "mirror: without",
  );
});

Deno.test("pull: what no origin has is asked once of each; whoever waits for a full hub ends with the others", async () => {
  const missing = () => new Response("", { status: 404 });
  await using hub = new TestHub(ID, FILES);
  await using mirror = new TestHub(ID, FILES);
  hub.misbehave = mirror.misbehave = missing;
  await inFolder(async (root) => {
    await assertThrows(() => pull(root, ID, quick(hub, { mirrors: [mirror.url] })), /answers 404/);
    assertEquals([hub.requests.length, mirror.requests.length], [1, 1]);
    hub.misbehave = (request) => {
      if (!isWeights(request)) return null;
      const full = new Response("", { status: 429, headers: { "retry-after": "300" } });
      return request.range?.from === 0 ? full : pause(50).then(missing);
    };
    const tooLong = pause(20_000, undefined, { ref: false }).then(() =>
      assert(false, "it waits for the hub that is full")
    );
    await Promise.race([tooLong, assertThrows(() => pull(root, ID, quick(hub)), /answers 404/)]);
  });
});
