/** The Dockerfile names only what is there, copies all that the program imports, and ignores nothing that it copies. */
import { deepStrictEqual as same, ok } from "node:assert";

const PROJECT = new URL("../../", import.meta.url).pathname;
const read = (name: string) => Deno.readTextFileSync(PROJECT + name);
const instructions = read("Dockerfile").replace(/^#.*\n/gm, "").replace(/\\\n/g, " ").split("\n");

const copied = instructions.filter((line) => /^COPY (?!--from)/.test(line))
  .flatMap((line) => line.split(/\s+/).slice(1, -1));

Deno.test("Dockerfile: what is copied is there, and .dockerignore lets it through", () => {
  const allowed = read(".dockerignore").split("\n").filter((line) => line.startsWith("!")).map((l) =>
    l.slice(1)
  );
  same([...copied].sort(), [...allowed].sort());
  for (const path of copied) ok(Deno.statSync(PROJECT + path), path);
});

Deno.test("Dockerfile: the program needs nothing that is not copied", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: PROJECT,
  }).output();
  ok(code === 0, new TextDecoder().decode(stderr));
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { specifier: string }[] };
  const own = modules.map(({ specifier }) => specifier).filter((s) => s.startsWith("file://"))
    .map((specifier) => new URL(specifier).pathname.slice(PROJECT.length));
  ok(own.length > 50, `${own.length} modules`);
  for (const path of own) {
    ok(copied.some((entry) => path === entry || path.startsWith(`${entry}/`)), `${path} is not copied`);
  }
});

Deno.test("Dockerfile: graphics for NVIDIA, no root, a health check, SIGTERM", () => {
  const text = instructions.join("\n");
  for (
    const wanted of [
      /NVIDIA_DRIVER_CAPABILITIES=\S*graphics/,
      /^USER 10001$/m,
      /^HEALTHCHECK .*livez/m,
      /^STOPSIGNAL SIGTERM$/m,
    ]
  ) {
    ok(wanted.test(text), `${wanted}`);
  }
  const [, version] = /denoland\/deno:bin-([\d.]+)/.exec(text) ?? [];
  ok(read("README.md").includes(`deno@${version}`), "another Deno than the README's");
});
