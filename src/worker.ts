/** Entry of the engine's Worker: the GPU lives here and nowhere else. */

import { serveEngine } from "./engine/worker_host.ts";
import type { Port } from "./engine/worker_host.ts";

serveEngine(self as unknown as Port, async ({ engine, folder, model }) => {
  if (engine === "fake") {
    const { FakeModel } = await import("./engine/fake/model.ts");
    return new FakeModel(model);
  }
  const { loadModel } = await import("./families/registry.ts");
  return await loadModel(folder, model);
});
