/** Damage is refused with file and tensor named. */
import { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { convert } from "../../src/weights/convert.ts";
import { openVerified } from "../../src/weights/verify.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { inFolder, writeCheckpoint } from "./support.ts";

const SHARD = "model-00001-of-00001.safetensors";

/** Flips one bit of the file at `at`, counted from the end if negative. */
function flip(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at] ^= 1;
  Deno.writeFileSync(path, bytes);
}

/** Reads every tensor through the check, in two slabs. */
function readAll(folder: string): void {
  const check = openVerified(folder, "fast");
  const file = SafetensorsFile.open(`${folder}/${SHARD}`);
  try {
    for (const { name, begin, end } of file.tensors.values()) {
      const total = end - begin, half = total >> 1;
      check!.read(SHARD, name, 0, file.read(name, 0, half), total);
      check!.read(SHARD, name, half, file.read(name, half, total - half), total);
    }
    assertEquals(check!.unfinished(), []);
  } finally {
    file.close();
  }
}

Deno.test("verify: whole passes; each kind of damage is named", async () => {
  await inFolder(async (folder) => {
    writeCheckpoint(`${folder}/in`, 1);
    const fresh = async () => {
      Deno.removeSync(`${folder}/out`, { recursive: true });
      await convert(`${folder}/in`, `${folder}/out`);
    };
    const out = `${folder}/out`;
    await convert(`${folder}/in`, out);
    readAll(out);
    assert(openVerified(out, "full") !== null);
    assertEquals(openVerified(`${folder}/in`, "full"), null);

    flip(`${out}/${SHARD}`, -1); // fast lets it pass until the tensor is read
    await assertThrows(() => openVerified(out, "full"), /safetensors is damaged in tensor layers\.0\.patch/);
    await assertThrows(() => readAll(out), /tensor layers\.0\.patch\.weight in model-00001-of-00001/);
    await fresh();
    flip(`${out}/${SHARD}`, 12);
    await assertThrows(() => openVerified(out, "fast"), /header of model-00001|Cannot read/);
    await fresh();
    Deno.truncateSync(`${out}/${SHARD}`, Deno.statSync(`${out}/${SHARD}`).size - 1);
    await assertThrows(() => openVerified(out, "fast"), /has \d+ bytes, \d+ were written/);
    await fresh();
    flip(`${out}/config.json`, 3);
    await assertThrows(() => openVerified(out, "fast"), /config\.json is damaged/);
    await fresh();
    Deno.removeSync(`${out}/manifest.json`);
    await assertThrows(() => openVerified(out, "fast"), /manifest\.json is missing/);
    await fresh();
    Deno.removeSync(`${out}/${SHARD}`);
    await assertThrows(() => openVerified(out, "fast"), /safetensors is missing/);
  });
});
