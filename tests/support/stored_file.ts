/** A file as a request would leave it in the store. */
import type { BatchStore, StoredFile } from "../../src/batch/batch_store.ts";

export async function storeFile(store: BatchStore, owner: string, content: Uint8Array): Promise<StoredFile> {
  using upload = store.upload();
  await upload.write(content);
  return store.keep(upload, owner, "in.jsonl", "batch");
}
