/** An engine's Worker whose device is lost at a given point, once for each name in `lose`; a file counts. */

import { serveEngine } from "../../src/engine/worker_host.ts";
import type { Port } from "../../src/engine/worker_host.ts";
import type { Model } from "../../src/families/family.ts";
import { loadModel } from "../../src/families/registry.ts";

export type LossPoint = "before submit" | "before map" | "during map" | "in upload" | "idle";

/** Steps that are left alone: those of the self-test, and some of the answer. */
const STEPS = 8;

serveEngine(self as unknown as Port, async ({ folder, model }) => {
  const { lose, marker, ...options } = model as { lose: LossPoint[]; marker: string };
  const done = Number(await Deno.readTextFile(marker).catch(() => "0"));
  await Deno.writeTextFile(marker, String(done + 1));
  const real = await loadModel(folder, options);
  return lose[done] === undefined ? real : losing(real, lose[done]);
});

function losing(model: Model, point: LossPoint): Model {
  const { device } = (model as unknown as { runtime: { gpu: { device: { destroy(): void } } } }).runtime.gpu;
  let steps = 0;
  if (point === "idle") setTimeout(() => device.destroy(), 1500);
  const own: Partial<Model> = {
    encodeMedia(feature, row) {
      if (point === "in upload") device.destroy();
      model.encodeMedia(feature, row);
    },
    step(batch) {
      const now = ++steps === STEPS;
      if (now && point === "before submit") device.destroy();
      const handle = model.step(batch);
      if (now && point === "before map") device.destroy();
      return handle;
    },
    read(handles) {
      const ids = model.read(handles);
      if (steps >= STEPS && point === "during map") device.destroy();
      return ids;
    },
  };
  return new Proxy(model, {
    get(target, name) {
      const value = Reflect.get(own, name) ?? Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
