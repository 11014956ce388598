/** State dicts of PyTorch as sources, and differences to a base. The files are torch.save's own (fixtures/torch/make.py). */
import fc from "fast-check";
import { SafetensorsFile } from "../../src/gpu/safetensors.ts";
import { convert } from "../../src/weights/convert.ts";
import { pull } from "../../src/weights/pull.ts";
import { TorchFile } from "../../src/weights/torch_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { inFolder } from "./support.ts";
import { TestHub } from "./test_hub.ts";

const FIXTURES = new URL("../fixtures/torch", import.meta.url).pathname;

/** Every tensor of a converted folder, by name. */
function tensorsOf(folder: string): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".safetensors")) continue;
    const file = SafetensorsFile.open(`${folder}/${name}`);
    for (const t of file.tensors.values()) all[t.name] = [t.dtype, t.shape, [...file.read(t.name)]];
    file.close();
  }
  return all;
}

for (const [folder, base] of [["sharded", null], ["base", null], ["delta", "base"]] as const) {
  Deno.test(`torch: ${folder} is converted as the same tensors in safetensors are`, () =>
    inFolder(async (dir) => {
      const options = base === null ? {} : { base: `${FIXTURES}/${base}` };
      await convert(`${FIXTURES}/${folder}`, `${dir}/a`, { workers: 0, ...options });
      await convert(`${FIXTURES}/${folder}-plain`, `${dir}/b`, { workers: 0 });
      const got = tensorsOf(`${dir}/a`);
      assertEquals(got, tensorsOf(`${dir}/b`));
      assert(Object.keys(got).length > 2, "there are tensors");
    }));
}

Deno.test("torch: a base that does not fit is refused by the tensor's name", () =>
  inFolder(async (dir) => {
    const attempt = (folder: string, base: string) =>
      convert(`${FIXTURES}/${folder}`, `${dir}/x`, { workers: 0, base: `${FIXTURES}/${base}` })
        .then(() => "", (error) => (error as Error).message);
    assertEquals(
      await attempt("base", "delta"),
      "Cannot add the base: the delta has no tensor model.mm_projector.weight",
    );
    assertEquals(await attempt("delta", "sharded"), "Cannot add the base: the delta has no tensor a.weight");
  }));

Deno.test("torch: 64-bit sizes are read", () => {
  const wide = TorchFile.open(`${FIXTURES}/wide.bin`);
  const plain = TorchFile.open(`${FIXTURES}/delta/pytorch_model.bin`);
  try {
    assertEquals([...wide.tensors.keys()], [...plain.tensors.keys()]);
    for (const { name, begin, end } of plain.tensors.values()) {
      assertEquals(wide.read(name, 0, end - begin), plain.read(name, 0, end - begin), name);
    }
  } finally {
    wide.close();
    plain.close();
  }
});

Deno.test("torch: what would run code, and what is no plain state dict, is refused by name", () => {
  const refusal = (name: string): string => {
    try {
      TorchFile.open(`${FIXTURES}/${name}`).close();
    } catch (error) {
      return (error as Error).message.replace(`Cannot read ${FIXTURES}/`, "");
    }
    return "read";
  };
  for (
    const [name, reason] of [
      ["hostile.bin", "it names posix.system, which is not used here"],
      ["columns.bin", "tensor a does not lie in rows"],
      ["no-tensor.bin", '"step" in it is no tensor: it is no plain state dict'],
      ["old.bin", "it was saved by a PyTorch before 1.6, whose format is not read"],
      ["base/config.json", "it is no ZIP archive, or cut off"],
    ]
  ) assertEquals(refusal(name), `${name}: ${reason}`);
});

Deno.test("torch: 3,000 damaged files are refused or read within their bounds", () =>
  inFolder((dir) => {
    const good = Deno.readFileSync(`${FIXTURES}/sharded/pytorch_model-00001-of-00002.bin`);
    const path = `${dir}/pytorch_model.bin`;
    let refused = 0;
    const damage = fc.oneof(
      fc.record({ at: fc.nat(good.length - 1), value: fc.nat(255), cut: fc.constant(good.length) }),
      fc.record({ at: fc.nat(1200), value: fc.nat(255), cut: fc.constant(good.length) }),
      fc.record({ at: fc.constant(0), value: fc.constant(80), cut: fc.nat(good.length - 1) }),
    );
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        const bytes = good.slice();
        for (const { at, value } of damages) bytes[at] = value;
        Deno.writeFileSync(path, bytes.subarray(0, Math.min(...damages.map(({ cut }) => cut))));
        let file: TorchFile;
        try {
          file = TorchFile.open(path);
        } catch (error) {
          refused++;
          assert((error as Error).message.startsWith(`Cannot read ${path}: `), (error as Error).message);
          return;
        }
        try {
          for (const { name, begin, end } of file.tensors.values()) {
            assertEquals(file.read(name, 0, end - begin).length, end - begin);
          }
        } finally {
          file.close();
        }
      }),
      { numRuns: 3000 },
    );
    assert(refused > 1000, `${refused} refused`);
  }));

Deno.test("torch: a hub's state dicts are pulled where it has no safetensors", () =>
  inFolder(async (root) => {
    const names = [...Deno.readDirSync(`${FIXTURES}/sharded`)].map(({ name }) => name).sort();
    const files = Object.fromEntries(
      names.map((name) => [name, Deno.readFileSync(`${FIXTURES}/sharded/${name}`)]),
    );
    await using hub = new TestHub("org/old", { ...files, "training_args.bin": new Uint8Array(9) });
    const { folder } = await pull(root, "org/old", { hub: { endpoint: hub.url, mirrors: [], token: null } });
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "config.json",
      "pulled.json",
      ...names.slice(1),
    ]);
    await convert(folder, `${root}/converted`, { workers: 0 });
    await convert(`${FIXTURES}/sharded-plain`, `${root}/plain`, { workers: 0 });
    assertEquals(tensorsOf(`${root}/converted`), tensorsOf(`${root}/plain`));
  }));
