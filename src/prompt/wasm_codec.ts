/**
 * An Emscripten codec module: compiled once, and instantiated anew after it threw (its memory is then unsound) or
 * grew large (WebAssembly memory never shrinks).
 */

import { corruptImage } from "./image_errors.ts";

type Factory<M> = (options: Record<string, unknown>) => Promise<M>;

/** Bytes of memory that an idle codec may keep. */
const LARGE = 64 * 2 ** 20;

export class WasmCodec<M> {
  #compiled: WebAssembly.Module | null = null;
  #instance: Promise<M> | null = null;

  constructor(readonly factory: unknown, readonly wasm: Uint8Array<ArrayBuffer>) {}

  /** Runs `use` on the module. What the codec throws becomes `corrupt_image`, without its own words. */
  async run<T>(use: (module: M) => T): Promise<T> {
    const module = await (this.#instance ??= this.#instantiate());
    try {
      const result = use(module);
      if (((module as { HEAPU8?: Uint8Array }).HEAPU8?.length ?? 0) > LARGE) this.#instance = null;
      return result;
    } catch {
      this.#instance = null;
      throw corruptImage();
    }
  }

  #instantiate(): Promise<M> {
    const compiled = this.#compiled ??= new WebAssembly.Module(this.wasm);
    return (this.factory as Factory<M>)({
      noInitialRun: true,
      print: () => {},
      printErr: () => {},
      instantiateWasm: (imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) => {
        const instance = new WebAssembly.Instance(compiled, imports);
        done(instance);
        return instance.exports;
      },
    });
  }
}
