/** llama.cpp's own quantiser, through the library that npm's node-llama-cpp carries. */
import { join } from "node:path";

/** llama_ftype. */
const FTYPES = { Q4_0: 2, Q4_1: 3, Q4_K_M: 15 } as const;

export type LlamaType = keyof typeof FTYPES;

/** Mean squared input of each column, by ggml's tensor name: what llama-imatrix measures and llama-quantize hands over. */
export type Imatrix = ReadonlyMap<string, Float32Array>;

/** Seconds that it took. @throws Error when the library is not there or refuses */
export function llamaQuantize(
  peers: string,
  type: LlamaType,
  from: string,
  to: string,
  threads: number,
  imatrix: Imatrix = new Map(),
): number {
  const folder = join(peers, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
  const name = [...Deno.readDirSync(folder)].map((e) => e.name).find((n) =>
    /^libllama(\.v[\d.]+)?\.so$/.test(n)
  );
  if (name === undefined) throw new Error(`Cannot find libllama in ${folder}`);
  const library = Deno.dlopen(join(folder, name), {
    // A struct is returned through a hidden first argument; it is smaller than PARAMS.
    llama_model_quantize_default_params: { parameters: ["buffer"], result: "pointer" },
    llama_log_set: { parameters: ["function", "pointer"], result: "void" },
    llama_model_quantize: { parameters: ["buffer", "buffer", "buffer"], result: "u32" },
  });
  const silent = new Deno.UnsafeCallback(
    { parameters: ["i32", "pointer", "pointer"], result: "void" },
    () => {},
  );
  try {
    library.symbols.llama_log_set(silent.pointer, null);
    const params = new Uint8Array(PARAMS + bytesOf(imatrix));
    library.symbols.llama_model_quantize_default_params(params);
    const view = new DataView(params.buffer);
    view.setInt32(0, threads, true);
    view.setInt32(4, FTYPES[type], true);
    if (imatrix.size > 0) view.setBigUint64(IMATRIX_AT, writeImatrix(params, imatrix), true);
    const start = performance.now();
    const code = library.symbols.llama_model_quantize(cString(from), cString(to), params);
    if (code !== 0) throw new Error(`llama_model_quantize ended with ${code}`);
    return (performance.now() - start) / 1000;
  } finally {
    library.close();
    silent.close();
  }
}

/** Bytes kept for llama_model_quantize_params, and where in it the pointer to the imatrix is (llama.h). */
const PARAMS = 512, IMATRIX_AT = 24;

/** Bytes of a llama_model_imatrix_data: name, values, their number. */
const ITEM = 24;

const cString = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`${text}\0`);

/** Items with one more that has no name, then each one's name (at a multiple of 4) and values. */
const bytesOf = (imatrix: Imatrix): number =>
  [...imatrix].reduce(
    (sum, [name, values]) => sum + cString(name).length + 3 + values.byteLength,
    ITEM * (imatrix.size + 1),
  );

/**
 * Writes it behind the parameters, into the same buffer, which the call keeps alive; the list ends with zeros.
 * @returns its address
 */
function writeImatrix(params: Uint8Array<ArrayBuffer>, imatrix: Imatrix): bigint {
  const base = Deno.UnsafePointer.value(Deno.UnsafePointer.of(params));
  let item = PARAMS, at = PARAMS + ITEM * (imatrix.size + 1);
  for (const [name, values] of imatrix) {
    const text = cString(name);
    params.set(text, at);
    const valuesAt = Math.ceil((at + text.length) / 4) * 4;
    new Float32Array(params.buffer, valuesAt, values.length).set(values);
    new BigUint64Array(params.buffer, item, 3)
      .set([base + BigInt(at), base + BigInt(valuesAt), BigInt(values.length)]);
    item += ITEM;
    at = valuesAt + values.byteLength;
  }
  return base + BigInt(PARAMS);
}
