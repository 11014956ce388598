import { tryHeaders } from "../../tools/campaign/headers.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("20,000 mutated headers of safetensors and manifest: none uncaught, none wrongly accepted", () => {
  const { accepted, refused, wrong } = tryHeaders(20_000, 1);
  assertEquals(wrong, null);
  assert(accepted > 100 && refused > 10_000, `${accepted} accepted, ${refused} refused`);
});
