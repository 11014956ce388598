/** deploy/ray/batch.py against a server, its driver killed in the middle and run again. */

import { type Campaign, type Outcome, Skipped, sleep } from "./campaign.ts";
import { inFolder } from "./model_process.ts";
import { startProcess } from "./server_process.ts";

const SCRIPT = new URL("../../deploy/ray/batch.py", import.meta.url).pathname;
/** Python that Ray is installed for. */
const VARIABLE = "VALLEY_RAY_PYTHON";
const LINES_A_FILE = 100;

export const ray: Campaign = {
  id: "issue 7, 7",
  target: "Ray Data: 2,000 lines, the driver killed (kill -9) and run again: every line once",
  async run(scale) {
    const python = Deno.env.get(VARIABLE) ?? "python3";
    if (!await hasRay(python)) {
      throw new Skipped(
        `${python} has no Ray. python3 -m venv FOLDER; FOLDER/bin/pip install "ray[data]==2.60.0" aiohttp; ` +
          `${VARIABLE}=FOLDER/bin/python`,
      );
    }
    return await inFolder((folder) => driveAndKill(python, folder, Math.round(2000 * scale)));
  },
};

async function hasRay(python: string): Promise<boolean> {
  const args = ["-c", "import ray.data, aiohttp"];
  const command = new Deno.Command(python, { args, stdout: "null", stderr: "null" });
  return await command.output().then(({ success }) => success, () => false);
}

async function driveAndKill(python: string, folder: string, lines: number): Promise<Outcome> {
  const [input, output, done] = ["in", "out", "done"].map((name) => `${folder}/${name}`);
  writeLines(input, lines);
  Deno.mkdirSync(output);
  const server = await startProcess([
    "--engine",
    "fake",
    "--engine-options",
    '{"stepMs":5}',
    "--drain-grace",
    "0",
  ]);
  const options = ["--input", input, "--output", output, "--checkpoint", done, "--url", server.url];
  const groups: number[] = [];
  /** In a process group of its own, so that what a killed driver leaves behind can be ended too. */
  const drive = () => {
    const args = ["--wait", python, SCRIPT, ...options, "--actors", "1", "--in-flight", "8"];
    const env = {
      OMP_NUM_THREADS: "1",
      RAY_USAGE_STATS_ENABLED: "0",
      RAY_agent_register_timeout_ms: "120000", // on busy cores Ray's own processes take longer than it grants them
    };
    const child = new Deno.Command("setsid", { args, env, stdout: "null", stderr: "null" }).spawn();
    groups.push(child.pid);
    return child;
  };
  try {
    const first = drive();
    let over = false;
    const ended = first.status.then(() => over = true);
    while (!over && parquetFiles(output).length < lines / LINES_A_FILE / 4) await sleep(50);
    if (over) throw new Error("the driver ended before it could be killed");
    first.kill("SIGKILL");
    await ended;
    const missed: string[] = [];
    endGroup(first.pid);
    const before = await rowsOf(python, output);
    const { code } = await drive().status;
    const after = await rowsOf(python, output);
    if (code !== 0) missed.push(`the second run ended with ${code}`);
    if (after.rows !== lines || after.distinct !== lines || after.good !== lines) {
      missed.push(`${after.rows} rows, ${after.distinct} of them distinct, ${after.good} with status 200`);
    }
    const asked = await requestsOf(server.url);
    return {
      did: `${lines} lines, one actor, the fake engine; the driver killed when ${before.rows} were written`,
      figures:
        `${after.rows} rows, ${after.distinct} distinct, ${after.good} with status 200; ${
          asked - lines
        } requests ` +
        `made twice`,
      missed,
    };
  } finally {
    groups.forEach(endGroup);
    await server.stop();
  }
}

function writeLines(folder: string, lines: number): void {
  Deno.mkdirSync(folder);
  const text = Array.from({ length: lines }, (_, i) =>
    JSON.stringify({
      custom_id: `r${i}`,
      method: "POST",
      url: "/v1/chat/completions",
      body: { messages: [{ role: "user", content: `listing ${i % 50}: question ${i}` }], max_tokens: 4 },
    }));
  for (let at = 0; at < lines; at += LINES_A_FILE) {
    Deno.writeTextFileSync(`${folder}/${at}.jsonl`, text.slice(at, at + LINES_A_FILE).join("\n") + "\n");
  }
}

function parquetFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".parquet"));
}

const COUNT = `import json, sys, pathlib, pyarrow.parquet as pq
rows = [row for path in pathlib.Path(sys.argv[1]).glob("*.parquet") for row in pq.read_table(path).to_pylist()]
print(json.dumps({"rows": len(rows), "distinct": len({row["custom_id"] for row in rows}),
                  "good": sum(row["status"] == 200 for row in rows)}))`;

async function rowsOf(
  python: string,
  folder: string,
): Promise<{ rows: number; distinct: number; good: number }> {
  const { stdout } = await new Deno.Command(python, { args: ["-c", COUNT, folder], stderr: "null" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Chat requests that the server answered. */
async function requestsOf(url: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((response) => response.text());
  const lines = text.split("\n").filter((line) =>
    line.startsWith("valley_requests_total{") && line.includes("chat")
  );
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Ends what is left of a process group. */
function endGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch { /* nothing is left of it */ }
}
