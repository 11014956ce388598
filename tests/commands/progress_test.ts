/** The line under long jobs, and switches as variables give them. */
import { isOffline } from "../../src/commands/hub_options.ts";
import { serveOptions } from "../../src/commands/options.ts";
import { Progress } from "../../src/weights/progress.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("progress: what an earlier run did is no rate; rate over the window; a line now and then", () => {
  const lines: string[] = [];
  let now = 0;
  const progress = new Progress({
    verb: "answering",
    unit: "lines",
    window: 20_000,
    write: (text) => lines.push(text),
    terminal: false,
    now: () => now,
  });
  for (const [time, done] of [[0, 500], [1000, 501], [10_000, 520], [30_000, 600], [50_000, 610]]) {
    now = time;
    progress.update(done, 1000);
  }
  progress.finish("done");
  assertEquals(lines, [
    "answering 50 %: 500 of 1000 lines\n",
    "answering 52 %: 520 of 1000 lines, 2.0 lines/s, 4 min 0 s left\n",
    "answering 60 %: 600 of 1000 lines, 3.3 lines/s, 2 min 0 s left\n",
    "answering 61 %: 610 of 1000 lines, 2.3 lines/s, 2 min 53 s left\n",
    "done\n",
  ]);
});

Deno.test("progress: bytes, rewritten on a terminal", () => {
  let text = "", now = 0;
  const progress = new Progress({ verb: "pulling", write: (t) => text += t, terminal: true, now: () => now });
  progress.update(0, 5e9, "a");
  now = 1000;
  progress.update(2.5e8, 5e9, "b");
  progress.finish("all");
  const second = "pulling 5 %: 250 MB of 5.0 GB, 250 MB/s, 19 s left (b)";
  assertEquals(text, `\rpulling 0 %: 0 B of 5.0 GB (a)\r${second}\r${"all".padEnd(second.length)}\n`);
});

Deno.test("a switch in the environment: False is off, as no and 0 are", () => {
  for (
    const [value, on] of [["False", false], ["NO", false], ["0", false], ["", false], ["1", true], [
      "yes",
      true,
    ]] as const
  ) {
    assertEquals(serveOptions([], { VALLEY_INSECURE: value }, "").insecure, on, value);
    assertEquals(isOffline({ HF_HUB_OFFLINE: value }), on, value);
  }
});
