/** The demo model as a published checkpoint, for tests of what comes before int4. */
import { Checkpoint } from "../../src/model/checkpoint.ts";
import { floatRows } from "../../src/model/linear_load.ts";
import { type PlannedTensor, SafetensorsWriter } from "../../src/weights/safetensors_writer.ts";
import { bfloat } from "./support.ts";

const PROJECT = new URL("../..", import.meta.url).pathname;
const SHARDS = 3;

/** The demo model in `folder` as it would be published: bf16, in three shards with an index. @returns its files */
export function publishedDemo(folder: string): Record<string, Uint8Array<ArrayBuffer>> {
  const checkpoint = Checkpoint.open(`${PROJECT}weights/demo`);
  const config = JSON.parse(Deno.readTextFileSync(`${PROJECT}weights/demo/manifest.json`));
  const names = new Set(
    Object.keys(config.tensors).map((name) => name.replace(/\.(int4|int8|scale_min)$/, "")),
  );
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  const map: Record<string, string> = {};
  const all = [...names].sort();
  for (let shard = 0; shard < SHARDS; shard++) {
    const file = `model-0000${shard + 1}-of-0000${SHARDS}.safetensors`;
    const mine = all.filter((_, i) => i % SHARDS === shard);
    const plan: PlannedTensor[] = [], values: Uint8Array[] = [];
    for (const name of mine) {
      map[name] = file;
      if (checkpoint.coded(name)) {
        // Rows and columns are padded to 4 and 8; the demo's widths need none.
        const [quads, words] = checkpoint.info(`${name}.int4`).shape;
        const [n, k] = [quads * 4, words * 8];
        plan.push({ name, dtype: "BF16", shape: [n, k], bytes: n * k * 2 });
        values.push(new Uint8Array(bfloat(floatRows(checkpoint, { name, n }, 0, n, k)).buffer));
      } else {
        const { dtype, shape, begin, end } = checkpoint.info(name);
        plan.push({ name, dtype, shape, bytes: end - begin });
        values.push(checkpoint.rows(name, 0, shape[0]));
      }
    }
    const writer = SafetensorsWriter.create(`${folder}/${file}`, plan);
    plan.forEach((t, i) => writer.write(t.name, values[i]));
    writer.finish();
    files[file] = Deno.readFileSync(`${folder}/${file}`);
  }
  checkpoint.close();
  files["model.safetensors.index.json"] = new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  for (
    const name of ["config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json"]
  ) {
    files[name] = Deno.readFileSync(`${PROJECT}weights/demo/${name}`);
  }
  for (const [name, bytes] of Object.entries(files)) Deno.writeFileSync(`${folder}/${name}`, bytes);
  return files;
}
