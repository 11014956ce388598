/** `deno task bench NAME [--json FILE] …`: prints a table and, with --json, writes it. */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openGpu } from "../src/gpu/device.ts";
import { measureProfile } from "../src/gpu/profile.ts";
import { type Profile, type ProfileName, PROFILES } from "../src/gpu/profiles.ts";
import { Runtime } from "../src/gpu/runtime.ts";
import { runtimeDir, setUp } from "../tools/setup/setup.ts";
import { benchBatch } from "./batch.ts";
import { benchBig, SHAPE_NAMES, type ShapeName } from "./big.ts";
import { benchCache } from "./cache.ts";
import { benchConvert } from "./convert.ts";
import { benchKernels } from "./kernels.ts";
import { benchPeer } from "./peer.ts";
import { measureRoof, printRoof } from "./roof.ts";
import { benchQuant } from "./quant.ts";
import { benchSquare } from "./square.ts";

const PROJECT = fileURLToPath(new URL("../", import.meta.url));

interface Options {
  profile: Profile | null;
  shapes: ShapeName;
  /** What is quantised: quant_subject.ts. */
  quantised: string;
  tokens: number;
}

/** Benches of the device alone. */
const ON_DEVICE: Record<string, (runtime: Runtime) => Promise<object>> = {
  roof: async (runtime) => {
    const roof = await measureRoof(runtime);
    printRoof(roof);
    return roof;
  },
  kernels: benchKernels,
  square: benchSquare,
};

/** Benches that load models, or serve them, themselves. */
const WITH_MODELS: Record<string, (options: Options) => Promise<object>> = {
  "8b": ({ profile, shapes, tokens }) => benchBig(PROJECT, shapes, tokens, profile),
  batch: () => benchBatch(PROJECT),
  cache: () => benchCache(PROJECT),
  convert: () => benchConvert(),
  peer: ({ profile }) => benchPeer(PROJECT, profile),
  quant: ({ profile, quantised }) => benchQuant(PROJECT, profile, quantised),
};

const USAGE = `usage: deno task bench ${[...Object.keys(ON_DEVICE), ...Object.keys(WITH_MODELS)].join("|")}
  [--json FILE] [--profile threads|workgroups|textures|images]
  8b: [--model or --shapes ${SHAPE_NAMES.join("|")}] [--tokens N]
  quant: [--model smollm2|demo|FOLDER of a Valley3 checkpoint with the demo's vocabulary]`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: "string" },
      profile: { type: "string" },
      model: { type: "string" },
      shapes: { type: "string" },
      tokens: { type: "string", default: "8" },
    },
    allowPositionals: true,
  });
  const [name = ""] = positionals;
  const known = Object.hasOwn(ON_DEVICE, name) || Object.hasOwn(WITH_MODELS, name);
  const profileKnown = values.profile === undefined || Object.hasOwn(PROFILES, values.profile);
  const tokens = Number(values.tokens);
  const { model } = values;
  const shapes = values.shapes ?? (name === "quant" ? undefined : model) ?? "8b";
  if (
    !known || positionals.length > 1 || !profileKnown || !SHAPE_NAMES.includes(shapes) ||
    !(Number.isInteger(tokens) && tokens > 0)
  ) {
    console.error(USAGE);
    return 2;
  }
  const code = await setUp({ level: "run", fakeEngine: false });
  if (code !== 0) return code;
  for (const [key, value] of Object.entries(runtimeDir())) Deno.env.set(key, value);
  if (Deno.build.os === "linux" && !Deno.env.get("DENO_WEBGPU_BACKEND")) {
    Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  }
  const profile = values.profile ? PROFILES[values.profile as ProfileName] : null;
  const runtime = new Runtime(await openGpu());
  runtime.profile = profile ?? await measureProfile(runtime);
  const head = {
    bench: name,
    adapter: runtime.gpu.name,
    date: new Date().toISOString(),
    profile: runtime.profile,
  };
  let result: object;
  if (Object.hasOwn(ON_DEVICE, name)) {
    result = await ON_DEVICE[name](runtime);
    await runtime.checkShaders();
    runtime.destroy();
  } else {
    runtime.destroy();
    const options = {
      profile: head.profile,
      shapes: shapes as ShapeName,
      quantised: model ?? "smollm2",
      tokens,
    };
    result = await WITH_MODELS[name](options);
  }
  if (values.json) {
    Deno.writeTextFileSync(values.json, JSON.stringify({ ...head, ...result }, null, 1) + "\n");
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main());
