/** Worker of slab_pool.ts: a job in, its int4 rows or its error out. */
import { QuantiseError } from "./quantise.ts";
import { runSlab, type SlabJob } from "./slab.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<SlabJob>) => void;
  postMessage(message: unknown, transfer: Transferable[]): void;
};

scope.onmessage = ({ data }) => {
  try {
    const out = runSlab(data);
    scope.postMessage(out, [out.words.buffer, out.scales.buffer]);
  } catch (error) {
    const row = error instanceof QuantiseError ? error.row : null;
    scope.postMessage({ error: error instanceof Error ? error.message : String(error), row }, []);
  }
};
