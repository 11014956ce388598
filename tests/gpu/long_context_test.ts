/** One new token over 65,536 keys: buffers of less than 128 MiB, the split decode kernel and the one for texels. */
import { assert } from "../support/assert.ts";
import { fromHalf, toHalf } from "../../src/gpu/safetensors.ts";
import { PROFILES } from "../../src/gpu/profiles.ts";
import { Workspace } from "../../src/gpu/tensor.ts";
import { attend, createKeyValues } from "../../src/model/attention.ts";
import { writeRanges } from "../../src/model/transfer.ts";
import * as reference from "../support/reference.ts";
import { download, gpuTest, noise, upload, words } from "../support/gpu.ts";

const KEYS = 65536, BLOCK = 16, HEADS = 2, DIM = 32;

for (const profile of ["threads", "textures", "images"] as const) {
  gpuTest(`attention: the newest of 65,536 tokens (${profile})`, async (runtime) => {
    runtime.profile = PROFILES[profile];
    const width = (HEADS + 2) * DIM;
    const qkv = noise(5, width);
    const stored = Uint16Array.from(noise(6, 2 * KEYS * DIM), toHalf);
    const kv = createKeyValues(runtime, "test", KEYS, 1, DIM, "f16");
    const size = KEYS * DIM * 2;
    writeRanges(
      runtime,
      [{ of: kv.k, offset: 0, size }, { of: kv.v, offset: 0, size }],
      new Uint8Array(stored.buffer),
    );
    const out = runtime.memory.tensor("out", 1, HEADS * DIM);
    const pass = runtime.begin("test");
    attend(
      pass,
      {
        qkv: upload(runtime, qkv, 1, width),
        heads: HEADS,
        kvHeads: 1,
        dim: DIM,
        norms: null,
        angles: words(runtime, Float32Array.from({ length: DIM }, (_, i) => i % 2 ? 0 : 1)), // not turned
        place: words(runtime, Uint32Array.of(0, KEYS, KEYS - 1, 0)),
        tables: words(runtime, Uint32Array.from({ length: KEYS / BLOCK }, (_, i) => i)),
        block: BLOCK,
        decodeKeys: KEYS,
        work: new Workspace(runtime.memory),
      },
      kv,
      out,
    );
    pass.submit();
    const half = (value: number) => fromHalf(toHalf(value));
    const cached = (which: number) => (t: number, i: number) =>
      t === KEYS - 1 ? half(qkv[(HEADS + which) * DIM + i]) : fromHalf(stored[(which * KEYS + t) * DIM + i]);
    const want = Array.from({ length: HEADS }, (_, h) => {
      const q = Float64Array.from(qkv.subarray(h * DIM, (h + 1) * DIM));
      return [...reference.attend(q, DIM, 0, KEYS, cached(0), cached(1))];
    });
    const error = reference.nmse(await download(runtime, out), Float64Array.from(want.flat()));
    assert(error < 1e-9, `NMSE ${error}`);
  });
}
