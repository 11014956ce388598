/** Preloaded before main.ts (`deno run --preload`): file operations of both threads are counted (watched_files.ts). */

import { VARIABLE } from "./watched_files.ts";

if (Deno.env.has(VARIABLE)) {
  // The engine's Worker writes the saved cache, and does not know what was preloaded here.
  const Original = globalThis.Worker;
  globalThis.Worker = class extends Original {
    constructor(url: string | URL, options?: WorkerOptions) {
      const engine = String(url).endsWith("/src/worker.ts");
      super(engine ? new URL("./engine_worker.ts", import.meta.url) : url, options);
    }
  };
}
