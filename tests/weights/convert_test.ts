/** Convert: the same bytes however it runs, resumed wherever it was cut, and never a damaged folder that passes. */
import { convert } from "../../src/weights/convert.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { FaultyDisk, Killed } from "./faulty_disk.ts";
import { contents, inFolder, writeCheckpoint } from "./support.ts";

Deno.test("convert: workers do not change a byte, nothing temporary stays", async () => {
  await inFolder(async (folder) => {
    writeCheckpoint(`${folder}/in`, 2, 300);
    const manifest = await convert(`${folder}/in`, `${folder}/a`, { workers: 0 });
    await convert(`${folder}/in`, `${folder}/b`, { workers: 2 });
    assertEquals(contents(`${folder}/a`), contents(`${folder}/b`));
    assertEquals([...Deno.readDirSync(`${folder}/a`)].map((e) => e.name).sort(), [
      "config.json",
      "manifest.json",
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
    ]);
    assertEquals(Object.keys(manifest.tensors).filter((n) => n.startsWith("layers.0.")).sort(), [
      "layers.0.a.bias",
      "layers.0.a.weight.int4",
      "layers.0.a.weight.scale_min",
      "layers.0.empty",
      "layers.0.norm.weight",
      "layers.0.odd.weight.int4",
      "layers.0.odd.weight.scale_min",
      "layers.0.patch.weight",
    ]);
  });
});

Deno.test("convert: killed at every operation, the next run gives the same folder; never a wrong one with a manifest", async () => {
  await inFolder(async (folder) => {
    writeCheckpoint(`${folder}/in`);
    await convert(`${folder}/in`, `${folder}/whole`);
    const whole = contents(`${folder}/whole`);
    let cuts = 0;
    for (let at = 0;; at++) {
      const target = `${folder}/out`;
      try {
        await convert(`${folder}/in`, target, { disk: new FaultyDisk({ at, kind: "kill" }) });
        break;
      } catch (error) {
        assert(error instanceof Killed, `operation ${at}: ${error}`);
        cuts++;
      }
      if (exists(`${target}/manifest.json`)) {
        const { ".converting": _, ...rest } = safeContents(target);
        assertEquals(rest, whole, `cut at ${at}`);
      }
      await convert(`${folder}/in`, target);
      assertEquals(contents(target), whole, `resumed after a cut at ${at}`);
      Deno.removeSync(target, { recursive: true });
    }
    assert(cuts > 60, `only ${cuts} operations`);
  });
});

Deno.test("convert: a full disk is told with the bytes needed, the old model stays as it was", async () => {
  await inFolder(async (folder) => {
    writeCheckpoint(`${folder}/in`, 1, 30);
    writeCheckpoint(`${folder}/new`, 1, 50);
    await convert(`${folder}/in`, `${folder}/out`);
    const before = contents(`${folder}/out`);
    for (let at = 3; at < 60; at += 3) {
      const disk = new FaultyDisk({ at, kind: "full" });
      const message = String(await convert(`${folder}/new`, `${folder}/out`, { disk }).catch((e) => e));
      if (!/^Error/.test(message)) break;
      assert(/disk is full; the whole model needs \d+ bytes/.test(message), message);
      const { ".converting": _, ...now } = safeContents(`${folder}/out`);
      assertEquals(now, before, `full at ${at}`);
    }
    await convert(`${folder}/new`, `${folder}/out`);
    await convert(`${folder}/new`, `${folder}/other`);
    assertEquals(contents(`${folder}/out`), contents(`${folder}/other`));
  });
});

Deno.test("convert: what it refuses, it names", async () => {
  await inFolder(async (folder) => {
    await assertThrows(() => convert(`${folder}/none`, `${folder}/out`), /there is no such folder/);
    writeCheckpoint(`${folder}/in`);
    Deno.removeSync(`${folder}/in/model-00002-of-00002.safetensors`);
    await assertThrows(
      () => convert(`${folder}/in`, `${folder}/out`),
      /model-00002-of-00002.safetensors is missing/,
    );
  });
});

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Like `contents`, folders left out. */
function safeContents(folder: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (isFile) {
      all[name] = Array.from(Deno.readFileSync(`${folder}/${name}`), (b) => String.fromCharCode(b)).join("");
    }
  }
  return all;
}
