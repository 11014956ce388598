/** Campaigns that are the test suite's own files, in their long form. */

import type { Campaign } from "./campaign.ts";

function suite(id: string, target: string, ...files: string[]): Campaign {
  return {
    id,
    target,
    async run() {
      const { code, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "-A", "--no-check", ...files],
        cwd: new URL("../..", import.meta.url).pathname,
        env: { NO_COLOR: "1", VALLEY_CAMPAIGN: "1", DENO_WEBGPU_BACKEND: "vulkan" },
        stderr: "null",
      }).output();
      const said = new TextDecoder().decode(stdout);
      const closing = said.split("\n").findLast((line) => /passed/.test(line))?.trim() ?? "no closing line";
      return { did: files.join(", "), figures: closing, missed: code === 0 ? [] : [closing] };
    },
  };
}

export const ssrf = suite(
  "T-SSRF",
  "46 spellings of forbidden addresses, 6 redirects, 12 paths: all refused, nothing dialled",
  "tests/server/remote_media_test.ts",
);
export const auth = suite("T-AUTH", "no route answers without its key", "tests/server/auth_test.ts");
export const csp = suite("T-CSP", "the page runs and loads nothing of an answer", "tests/web/page_test.ts");
export const deviceLoss = suite(
  "T-GPU",
  "device.destroy() at five points: every request ends in 5 s, the same answer afterwards",
  "tests/server/device_loss_test.ts",
);
