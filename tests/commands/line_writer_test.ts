/** The log never waits for its reader, and says what it left out. */

import { LineWriter } from "../../src/commands/line_writer.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** Takes what it is given in parts, once `open` is called. */
function slowFile() {
  const gate = Promise.withResolvers<void>(), written: string[] = [];
  return {
    text: () => written.join(""),
    open: () => gate.resolve(),
    async write(bytes: Uint8Array): Promise<number> {
      await gate.promise;
      const part = bytes.subarray(0, 50_000);
      written.push(new TextDecoder().decode(part));
      return part.length;
    },
  };
}

Deno.test("a reader that stalls holds up nobody; all lines come in order, or are counted", async () => {
  const file = slowFile();
  const writer = new LineWriter(file, (lines) => `lost ${lines}\n`);
  const line = (i: number) => `${i} ${"x".repeat(100)}\n`;
  for (let i = 0; i < 60_000; i++) writer.write(line(i)); // 6 MB, of which 4 MiB are kept
  await writer.end(20); // nobody reads: it does not wait for ever
  assertEquals(file.text(), "");
  file.open();
  await writer.end(60_000);
  const lines = file.text().split("\n");
  assertEquals(lines.pop(), "");
  const lost = Number(/^lost (\d+)$/.exec(lines.pop()!)?.[1]);
  assert(lost > 10_000);
  assertEquals(lines.length + lost, 60_000);
  assertEquals(lines.map((text) => parseInt(text)), lines.map((_, i) => i));
  writer.write("after\n");
  await writer.end(60_000);
  assert(file.text().endsWith("\nafter\n"));
});
