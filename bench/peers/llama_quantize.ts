/** llama.cpp's own quantiser, through the library that npm's node-llama-cpp carries. */
import { join } from "node:path";

/** llama_ftype. */
const FTYPES = { Q4_0: 2, Q4_1: 3, Q4_K_M: 15 } as const;

export type LlamaType = keyof typeof FTYPES;

/** Seconds that it took. @throws Error when the library is not there or refuses */
export function llamaQuantize(
  peers: string,
  type: LlamaType,
  from: string,
  to: string,
  threads: number,
): number {
  const folder = join(peers, "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64");
  const name = [...Deno.readDirSync(folder)].map((e) => e.name).find((n) =>
    /^libllama(\.v[\d.]+)?\.so$/.test(n)
  );
  if (name === undefined) throw new Error(`Cannot find libllama in ${folder}`);
  const library = Deno.dlopen(join(folder, name), {
    // A struct is returned through a hidden first argument; it is smaller than the buffer given.
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
    const params = new Int32Array(128);
    library.symbols.llama_model_quantize_default_params(params);
    params[0] = threads;
    params[1] = FTYPES[type];
    const text = (path: string) => new TextEncoder().encode(`${path}\0`);
    const start = performance.now();
    const code = library.symbols.llama_model_quantize(text(from), text(to), params);
    if (code !== 0) throw new Error(`llama_model_quantize ended with ${code}`);
    return (performance.now() - start) / 1000;
  } finally {
    library.close();
    silent.close();
  }
}
