/** A model of a few small files and how tests pull it. */
import { pull, type PullOptions } from "../../src/weights/pull.ts";
import { assertEquals } from "../support/assert.ts";
import { random } from "../support/gpu.ts";
import { inFolder } from "./support.ts";
import { COMMIT, type HubRequest, type Misbehave, TestHub } from "./test_hub.ts";

export const ID = "org/model";
export const WEIGHTS = "model.safetensors";
export const CHUNK = 1000;

const bytes = (seed: number, length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, ((next) => () => next() * 256)(random(seed)));

export const FILES: Record<string, Uint8Array<ArrayBuffer>> = {
  "config.json": new TextEncoder().encode('{"model_type":"test"}'),
  "tokenizer.json": bytes(1, 2500),
  [WEIGHTS]: bytes(2, 9500),
  "pytorch_model.bin": bytes(3, 50),
  "empty.safetensors": new Uint8Array(0),
  "sub/model.safetensors": bytes(4, 40),
};

export const isWeights = ({ path }: HubRequest) => path.endsWith(`/${WEIGHTS}`);

/** Small chunks and hardly a wait between tries. */
export const quick = (hub: TestHub, more: Partial<PullOptions["hub"]> = {}): PullOptions => ({
  hub: {
    endpoint: hub.url,
    mirrors: [],
    token: "secret",
    backoff: 1,
    ...more,
  },
  chunkSize: CHUNK,
  parallel: 3,
});

/** Pulls from a hub that misbehaves; the folder must hold the right bytes. @returns the hub */
export async function pulled(
  misbehave: Misbehave,
  options: Partial<PullOptions["hub"]> & { mirrors?: string[] } = {},
): Promise<TestHub> {
  await using hub = new TestHub(ID, FILES);
  hub.misbehave = misbehave;
  await inFolder(async (root) => {
    const { folder, commit } = await pull(root, ID, quick(hub, options));
    assertEquals(commit, COMMIT);
    assertEquals([...Deno.readDirSync(folder)].map((e) => e.name).sort(), [
      "config.json",
      "empty.safetensors",
      "model.safetensors",
      "pulled.json",
      "tokenizer.json",
    ]);
    for (const name of ["config.json", "tokenizer.json", WEIGHTS]) {
      assertEquals(Deno.readFileSync(`${folder}/${name}`), FILES[name], name);
    }
  });
  return hub;
}
