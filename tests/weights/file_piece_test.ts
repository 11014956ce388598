/** Pieces of files: their own bytes, and never those of a file that was put in the place of the one that was meant. */
import { bytesOf, stampOf, withReader } from "../../src/weights/file_piece.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { inFolder } from "./support.ts";

Deno.test("a piece gives its bytes, none behind its end, and refuses a file that changed", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/file`;
    Deno.writeFileSync(path, Uint8Array.from({ length: 100 }, (_, i) => i));
    const piece = { path, at: 10, length: 5, stamp: stampOf(path) };
    assertEquals([...bytesOf(piece)], [10, 11, 12, 13, 14]);
    const two = new Uint8Array(2);
    withReader(piece, (read) => read(3, two));
    assertEquals([...two], [13, 14]);
    await assertThrows(() => withReader(piece, (read) => read(4, two)), /changed meanwhile/);
    Deno.writeFileSync(path, new Uint8Array(101));
    await assertThrows(() => bytesOf(piece), /file: it changed meanwhile/);
  });
});
