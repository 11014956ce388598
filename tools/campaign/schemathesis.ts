/** T-SCHEMA: schemathesis of PyPI on the served OpenAPI document. */

import type { Campaign } from "./campaign.ts";
import { pythonWith } from "./python.ts";
import { FAKE, startProcess } from "./server_process.ts";

export const schemathesis: Campaign = {
  id: "Must show 2",
  target:
    "500 examples an operation, positive and negative, all checks but positive_data_acceptance: no 5xx, no violation",
  async run(scale) {
    const python = await pythonWith(["schemathesis==4.32.5"]);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":0}']);
    const examples = Math.max(5, Math.round(500 * scale));
    const { code, stdout } = await new Deno.Command(python, {
      args: [
        "-m",
        "schemathesis.cli",
        "run",
        `${server.url}/openapi.json`,
        "--checks=all",
        "--exclude-checks=positive_data_acceptance",
        "--mode=all",
        `--max-examples=${examples}`,
        "--phases=examples,coverage,fuzzing",
        "--workers=2",
        "--seed=20261124",
        // With a database Hypothesis shrinks what the server accepted: far more time than the examples take.
        "--generation-database=none",
        "--no-color",
        "--suppress-health-check=all",
      ],
      stdout: "piped",
      stderr: "piped",
      cwd: Deno.makeTempDirSync(),
    }).output();
    const said = new TextDecoder().decode(stdout);
    await Deno.writeTextFile(`${Deno.env.get("TMPDIR") || "/tmp"}/valley-schemathesis.txt`, said);
    const exit = await server.stop();
    const line = (pattern: RegExp) =>
      said.split("\n").filter((text) => pattern.test(text)).map((text) => text.trim());
    const failures = line(/^\s*- [A-Z]|❌|unique failures/);
    return {
      did: `${examples} examples an operation, fake engine`,
      figures: line(/^\s*\d+ generated|^\s*Tested: |⚠️/).join("; "),
      missed: [
        ...(code === 0 ? [] : failures.slice(0, 8)),
        ...(code !== 0 && failures.length === 0 ? [said.slice(-300)] : []),
        ...(exit === 0 ? [] : [`exit code ${exit}`]),
      ],
    };
  },
};
