/**
 * `deno task campaign [NAME…] [--scale X] [--record]`: the long forms of the reliability tests. `--record` writes the
 * figures into bench/RELIABILITY.md. Closes with `N campaigns passed, N failed`.
 */

import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { type Campaign, Skipped } from "./campaign.ts";
import { record } from "./record.ts";

const CAMPAIGNS: Record<string, () => Promise<Campaign>> = {
  "fuzz-json": () => import("./fuzz_json.ts").then((m) => m.fuzzJson),
  abort: () => import("./aborts.ts").then((m) => m.aborts),
  slow: () => import("./slow.ts").then((m) => m.slow),
  queue: () => import("./queue.ts").then((m) => m.queue),
  live: () => import("./live.ts").then((m) => m.live),
  drain: () => import("./drain.ts").then((m) => m.drain),
  perm: () => import("./perm.ts").then((m) => m.perm),
  media: () => import("./media.ts").then((m) => m.media),
  schemas: () => import("./schemas.ts").then((m) => m.schemas),
  schemathesis: () => import("./schemathesis.ts").then((m) => m.schemathesis),
  clients: () => import("./clients.ts").then((m) => m.clients),
  mutants: () => import("./mutants.ts").then((m) => m.mutants),
  soak: () => import("./soak.ts").then((m) => m.soak),
  "soak-demo": () => import("./soak.ts").then((m) => m.soakDemo),
  ssrf: () => import("./suites.ts").then((m) => m.ssrf),
  auth: () => import("./suites.ts").then((m) => m.auth),
  csp: () => import("./suites.ts").then((m) => m.csp),
  headers: () => import("./headers.ts").then((m) => m.headers),
  crash: () => import("./crash.ts").then((m) => m.crash),
  "file-kills": () => import("./sweep.ts").then((m) => m.sweep),
  "cache-kills": () => import("./cache_kills.ts").then((m) => m.cacheKills),
  "disk-full": () => import("./disk_full.ts").then((m) => m.diskFull),
  "batch-kills": () => import("./batch_kills.ts").then((m) => m.batchKills),
  fleet: () => import("./fleet.ts").then((m) => m.fleet),
  ray: () => import("./ray.ts").then((m) => m.ray),
  "device-loss": () => import("./suites.ts").then((m) => m.deviceLoss),
};

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { scale: { type: "string", default: "1" }, record: { type: "boolean" } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : Object.keys(CAMPAIGNS);
  const unknown = names.find((name) => !(name in CAMPAIGNS));
  const scale = Number(values.scale);
  if (unknown !== undefined || !(scale > 0)) {
    console.error(`Usage: deno task campaign [${Object.keys(CAMPAIGNS).join("|")}] [--scale X] [--record]`);
    Deno.exit(64);
  }
  let failed = 0, skipped = 0;
  for (const name of names) {
    const campaign = await CAMPAIGNS[name]();
    console.log(`${name} (${campaign.id}): ${campaign.target}`);
    const started = performance.now();
    let outcome;
    try {
      outcome = await campaign.run(scale);
    } catch (error) {
      if (error instanceof Skipped) {
        console.log(`  skipped: ${error.message}`);
        skipped++;
        continue;
      }
      outcome = { did: "", figures: "", missed: [error instanceof Error ? error.message : String(error)] };
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`  ${outcome.did} (${seconds} s)\n  ${outcome.figures}`);
    for (const miss of outcome.missed) console.log(`  missed: ${miss}`);
    if (outcome.missed.length > 0) failed++;
    if (values.record) {
      record(resolve(import.meta.dirname!, "../../bench/RELIABILITY.md"), name, campaign, outcome, seconds);
    }
  }
  const passed = names.length - failed - skipped;
  console.log(
    `${passed} campaigns passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
  );
  Deno.exit(failed > 0 ? 1 : 0);
}
