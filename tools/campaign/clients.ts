/** The openai client of PyPI, unchanged, and a script as for vLLM. */

import type { Campaign } from "./campaign.ts";
import { pythonWith } from "./python.ts";
import { FAKE, startProcess } from "./server_process.ts";

const SCRIPT = new URL("./clients.py", import.meta.url).pathname;

export const clients: Campaign = {
  id: "Must show 1, PyPI",
  target: "chat, stream, tools, parse, responses, abort, vLLM's script",
  async run() {
    const python = await pythonWith(["openai==3.57.0", "pydantic"]);
    const server = await startProcess([...FAKE, "--engine-options", '{"stepMs":1}']);
    const { code, stdout, stderr } = await new Deno.Command(python, {
      args: [SCRIPT, server.url],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const said = new TextDecoder().decode(stdout).trim().split("\n");
    const exit = await server.stop();
    return {
      did: "openai 3.57.0 of PyPI, tools/campaign/clients.py",
      figures: said.join(", "),
      missed: [
        ...(code === 0 ? [] : [new TextDecoder().decode(stderr).slice(-400)]),
        ...(exit === 0 ? [] : [`exit code ${exit}`]),
      ],
    };
  },
};
