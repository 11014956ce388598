/** Convert: the same bytes however it runs, resumed wherever it was cut, and never a damaged folder that passes. */
import { convert } from "../../src/weights/convert.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { FaultyDisk, Killed } from "./faulty_disk.ts";
import { contents, inFolder, writeCheckpoint } from "./support.ts";

const SHARD = "model-00001-of-00002.safetensors";

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

Deno.test("convert: other values or another template under the same headers are converted anew", async () => {
  await inFolder(async (folder) => {
    const source = `${folder}/in`, target = `${folder}/out`;
    writeCheckpoint(source);
    const first = await convert(source, target);
    assertEquals(await bytesDone(source, target), 0, "unchanged, it was converted again");
    writeCheckpoint(source, 2, 40, 1); // as a fine-tune does it
    const tuned = await convert(source, target);
    assertEquals([first.recipe, first.tensors["layers.0.empty"]], [
      tuned.recipe,
      tuned.tensors["layers.0.empty"],
    ]);
    await convert(source, `${folder}/other`);
    assertEquals(contents(target), contents(`${folder}/other`));
    assert(first.files[SHARD] !== tuned.files[SHARD], "the old weights are still there");
    Deno.writeTextFileSync(`${source}/chat_template.jinja`, "{{ messages }}");
    const { files } = await convert(source, target);
    assertEquals(files[SHARD], tuned.files[SHARD]);
    assertEquals(Deno.readTextFileSync(`${target}/chat_template.jinja`), "{{ messages }}");
  });
});

Deno.test("convert: of a target that is done already nothing is started", async () => {
  await inFolder(async (folder) => {
    writeCheckpoint(`${folder}/in`);
    const { Worker } = globalThis;
    let started = 0;
    globalThis.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        started++;
      }
    };
    try {
      const first = await convert(`${folder}/in`, `${folder}/out`, { workers: 2 });
      assertEquals(started, 2);
      assertEquals(await convert(`${folder}/in`, `${folder}/out`, { workers: 2 }), first);
      assertEquals(started, 2);
    } finally {
      globalThis.Worker = Worker;
    }
  });
});

Deno.test("convert: a source that was only written again gives the same files; with a known digest it is not read", async () => {
  await inFolder(async (folder) => {
    const source = `${folder}/in`, target = `${folder}/out`;
    writeCheckpoint(source);
    const { files } = await convert(source, target);
    Deno.utimeSync(`${source}/${SHARD}`, 1, 1);
    assert(await bytesDone(source, target) > 0, "what may have changed was not converted");
    assertEquals((await convert(source, target)).files, files);
    await convert(source, target, { content: "a" });
    Deno.utimeSync(`${source}/${SHARD}`, 2, 2);
    assertEquals(await bytesDone(source, target, "a"), 0);
    assert(await bytesDone(source, target, "b") > 0, "another digest was taken for the same");
  });
});

Deno.test("convert: values that change between two runs are not mixed with the earlier run's", async () => {
  await inFolder(async (folder) => {
    const source = `${folder}/in`, target = `${folder}/out`;
    for (let at = 10; at < 60; at += 10) {
      writeCheckpoint(source);
      await assertThrows(
        () => convert(source, target, { disk: new FaultyDisk({ at, kind: "kill" }) }),
        /killed/,
      );
      writeCheckpoint(source, 2, 40, at);
      await convert(source, target);
      await convert(source, `${folder}/whole`);
      assertEquals(contents(target), contents(`${folder}/whole`), `cut at ${at}`);
      Deno.removeSync(target, { recursive: true });
      Deno.removeSync(`${folder}/whole`, { recursive: true });
    }
  });
});

Deno.test("convert: a folder whose manifest does not say which source it was is converted anew", async () => {
  await inFolder(async (folder) => {
    const source = `${folder}/in`, target = `${folder}/out`;
    writeCheckpoint(source);
    const { stamp: _, ...older } = await convert(source, target);
    Deno.writeTextFileSync(`${target}/manifest.json`, JSON.stringify(older));
    assert(await bytesDone(source, target) > 0, "taken for the same source");
  });
});

/** Bytes of the source that a conversion dealt with: 0 where it was done already. */
async function bytesDone(source: string, target: string, content?: string): Promise<number> {
  let bytes = 0;
  await convert(source, target, { content, onProgress: (done) => bytes = done });
  return bytes;
}

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
