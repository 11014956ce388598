/** T-PERM: under the flags that the server is started with, what it must not do it cannot. */

import { permissionFlags } from "../setup/permissions.ts";
import type { Campaign } from "./campaign.ts";
import { FAKE, startProcess } from "./server_process.ts";

/** Each must end in NotCapable. */
const FORBIDDEN: Record<string, string> = {
  "read /etc/passwd": `Deno.readTextFileSync("/etc/passwd")`,
  "read /proc/self/environ": `Deno.readTextFileSync("/proc/self/environ")`,
  "read the home folder": `[...Deno.readDirSync("/root")]`,
  "write beside itself": `Deno.writeTextFileSync("main.ts.bak", "")`,
  "write /etc": `Deno.writeTextFileSync("/etc/valley", "")`,
  "write weights": `Deno.writeTextFileSync("weights/demo/x", "")`,
  "remove weights": `Deno.removeSync("weights/demo/config.json")`,
  "run a shell": `new Deno.Command("sh", { args: ["-c", "true"] }).outputSync()`,
  "run deno": `new Deno.Command(Deno.execPath(), { args: ["-V"] }).outputSync()`,
  "load a library": `Deno.dlopen("libc.so.6", {})`,
  "host name": `Deno.hostname()`,
  "network interfaces": `Deno.networkInterfaces()`,
  "link out": `Deno.symlinkSync("/etc", "/tmp/valley-link")`,
};

export const perm: Campaign = {
  id: "T-PERM",
  target: "with the served flags: NotCapable for each of what is forbidden; the service works",
  async run() {
    const exists = (path: string) => {
      try {
        return Deno.statSync(path) !== null;
      } catch {
        return false;
      }
    };
    const env = Deno.env.toObject(), project = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
    const flags = permissionFlags(["serve"], { os: Deno.build.os, project, env, exists });
    const missed: string[] = [];
    for (const [name, code] of Object.entries(FORBIDDEN)) {
      const file = await Deno.makeTempFile({ suffix: ".ts" });
      await Deno.writeTextFile(
        file,
        `try { ${code}; console.log("done"); } catch (error) { console.log(error.name); }`,
      );
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--no-check", "--no-config", ...flags, file],
        cwd: project,
        env: { VALLEY_SECRET_OF_OTHERS: "x" },
        stderr: "null",
      }).output();
      const said = new TextDecoder().decode(stdout).trim();
      if (said !== "NotCapable") missed.push(`${name}: ${said}`);
      await Deno.remove(file);
    }
    const server = await startProcess(FAKE, { flags });
    const answer = await server.post("/v1/chat/completions", {
      messages: [{ role: "user", content: "echo: fine" }],
    })
      .then((response) => response.json());
    if (answer.choices?.[0].message.content !== "fine") missed.push("the service does not work");
    await server.stop();
    return {
      did: `${Object.keys(FORBIDDEN).length} attempts`,
      figures: `${Object.keys(FORBIDDEN).length - missed.length} refused`,
      missed,
    };
  },
};
