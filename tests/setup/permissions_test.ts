import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { permissionFlags, type Surroundings } from "../../tools/setup/permissions.ts";

const AROUND: Surroundings = {
  os: "linux",
  project: "/valley",
  env: { HOME: "/home/u", PATH: "/usr/bin:/bin" },
  exists: (path) => ["/usr/bin/ffmpeg", "/bin/ffprobe", "/valley/keys.json"].includes(path),
};

/** The paths or names that a flag allows. */
function allowed(flag: string, args: string[], around = AROUND): string[] {
  const found = permissionFlags(args, around).find((f) => f.startsWith(`--allow-${flag}`));
  return found?.split("=")[1]?.split(",") ?? [];
}

Deno.test("serving the demo: reads the project and caches, writes temp and state", () => {
  const caches = ["/tmp", "/home/u/.local/state/valley", "/home/u/.cache/valley"];
  same(allowed("read", ["serve"]), [
    "/valley",
    "/home/u/.cache/deno",
    ...caches,
    "/usr/bin/ffmpeg",
    "/bin/ffprobe",
  ]);
  same(allowed("write", ["serve"]), caches);
  same(allowed("run", ["serve"]), ["/usr/bin/ffmpeg", "/bin/ffprobe"]);
});

Deno.test("never ffi, never everything", () => {
  for (
    const args of [["serve"], ["pull", "a/b"], ["convert", "/a", "/b"], ["supervise", "serve"], ["doctor"]]
  ) {
    const flags = permissionFlags(args, AROUND);
    ok(!flags.some((f) => /ffi|-A|allow-all|^--allow-(read|write|env|run)$/.test(f)), flags.join(" "));
  }
});

Deno.test("chat reads any file that it is given, and writes and runs nothing", () => {
  const flags = permissionFlags(["chat", "--url", "http://127.0.0.1:8000"], AROUND);
  ok(flags.includes("--allow-read") && flags.includes("--allow-net"));
  ok(!flags.some((flag) => /write|run|ffi|sys/.test(flag)), flags.join(" "));
});

Deno.test("paths named by flags and variables may be read, only --state written", () => {
  const args = ["serve", "--model", "/models/v3", "--api-keys=keys.json", "--state", "/var/lib/valley"];
  const around = { ...AROUND, env: { ...AROUND.env, VALLEY_ALLOW_MEDIA_FOLDER: "/data/pictures" } };
  const read = allowed("read", args, around);
  for (const path of ["/models/v3", "/valley/keys.json", "/var/lib/valley", "/data/pictures"]) {
    ok(read.includes(path), path);
  }
  ok(!read.includes("/"), "not the whole disk");
  const write = allowed("write", args, around);
  ok(write.includes("/var/lib/valley"));
  // A folder that is still to be made, by a plain name.
  ok(allowed("read", ["serve", "--state=cache"]).includes("/valley/cache"));
  ok(!write.includes("/models/v3") && !write.includes("/data/pictures"));
});

Deno.test("pull, convert and batch write where they are told", () => {
  const write = allowed("write", ["convert", "/models/raw", "out/int4"]);
  ok(write.includes("/models/raw") && write.includes("/valley/out/int4"));
  ok(allowed("write", ["batch", "/data/in.jsonl", "out.jsonl"]).includes("/valley/out.jsonl.index-wal"));
});

Deno.test("addresses are not paths", () => {
  ok(!allowed("read", ["serve", "--otel", "http://127.0.0.1:4318/v1"]).some((p) => p.includes("4318")));
});

Deno.test("only the supervisor runs deno; without ffmpeg nothing is run", () => {
  same(allowed("run", ["supervise", "serve"]), ["deno"]);
  same(allowed("run", ["serve"], { ...AROUND, exists: () => false }), []);
});

Deno.test("DENO_DIR, macOS and Windows caches", () => {
  const read = (changes: Partial<Surroundings>) => allowed("read", ["serve"], { ...AROUND, ...changes });
  equal(read({ env: { HOME: "/home/u", DENO_DIR: "/cache/deno" } })[1], "/cache/deno");
  equal(read({ os: "darwin" })[1], "/home/u/Library/Caches/deno");
});
