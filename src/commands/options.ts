/** Command line and environment → options. Each flag is also an environment variable: `--api-keys`, VALLEY_API_KEYS. */

import { parseArgs } from "node:util";
import { MAX_DRAWS } from "../families/family.ts";

export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

export interface ServeOptions {
  /** Folder of the model. */
  model: string;
  /** Public name of the model; null: the folder's own. */
  modelName: string | null;
  host: string;
  port: number;
  engine: "gpu" | "fake";
  /** File of keys; null: none are asked for. */
  apiKeys: string | null;
  insecure: boolean;
  /** Folder for what outlives the process (saved caches); null: nothing does. */
  state: string | null;
  /** Further host names that a server on loopback answers to. */
  allowHosts: string[];
  /** Models, metrics and loads need no key. */
  openStatus: boolean;
  /** Seconds. */
  drainGrace: number;
  drainTimeout: number;
  maxWaiting: number;
  prefixCache: boolean;
  /** Ids guessed by prompt lookup and checked in one step; 0: off. */
  speculate: number;
  /** See LoadOptions. */
  batchInvariant: boolean;
  /** How keys and values are kept; null: the engine's own choice. */
  kvCacheDtype: "f32" | "f16" | "int8" | null;
  /** Hosts of media that requests may name; the folder of files that they may name, or null. */
  allowMediaHosts: string[];
  allowMediaFolder: string | null;
  /** Origins whose pages may use the server. */
  cors: string[];
  /** File that names MCP servers whose tools are offered; null: none. */
  mcp: string | null;
  /** Files in PEM; both or neither. */
  tls: { cert: string; key: string } | null;
  /** Check of a converted model's digests; null: the engine's own choice. */
  verify: "fast" | "full" | null;
  /** Load options of the engine as JSON. */
  engineOptions: Record<string, unknown>;
  /** Choices of the family's prompt side as JSON. */
  promptOptions: Record<string, unknown>;
}

const FLAGS = {
  model: { type: "string" },
  "model-name": { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  engine: { type: "string" },
  "api-keys": { type: "string" },
  insecure: { type: "boolean" },
  state: { type: "string" },
  "allow-host": { type: "string" },
  "open-status": { type: "boolean" },
  "drain-grace": { type: "string" },
  "drain-timeout": { type: "string" },
  "max-waiting": { type: "string" },
  "no-prefix-cache": { type: "boolean" },
  speculate: { type: "string" },
  "batch-invariant": { type: "boolean" },
  "kv-cache-dtype": { type: "string" },
  verify: { type: "string" },
  "allow-media-host": { type: "string", multiple: true },
  "allow-media-folder": { type: "string" },
  cors: { type: "string", multiple: true },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  mcp: { type: "string" },
  config: { type: "string" },
  "engine-options": { type: "string" },
  "prompt-options": { type: "string" },
} as const;

export type Env = Readonly<Record<string, string | undefined>>;

/** What commas separate, without empty pieces. */
export const commaList = (text: string): string[] =>
  text.split(",").map((piece) => piece.trim()).filter((piece) => piece !== "");

/** Whether a switch is on: all but nothing, 0, false and no, upper and lower case alike. */
export const isOn = (text: string): boolean => !["", "0", "false", "no"].includes(text.trim().toLowerCase());

/** Throws UsageError. A flag goes before its variable, that before the file of `--config`; VALLEY_PORT before PORT. */
export function serveOptions(args: string[], env: Env, defaultModel: string): ServeOptions {
  let values: Record<string, string | boolean | string[] | undefined>;
  try {
    values = parseArgs({ args, options: FLAGS, allowPositionals: false }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const given = (flag: keyof typeof FLAGS) =>
    values[flag] ?? env[`VALLEY_${flag.toUpperCase().replaceAll("-", "_")}`];
  const file = given("config") ? readConfig(String(given("config"))) : {};
  const text = (flag: keyof typeof FLAGS): string | null => {
    const value = given(flag) ?? file[flag];
    return value === undefined || value === "" ? null : String(value);
  };
  const list = (flag: keyof typeof FLAGS): string[] => commaList((text(flag) ?? "").toLowerCase());
  const truth = (flag: keyof typeof FLAGS): boolean => isOn(text(flag) ?? "");
  const number = (flag: keyof typeof FLAGS, fallback: number, most: number): number => {
    const value = Number(text(flag) ?? fallback);
    if (Number.isFinite(value) && value >= 0 && value <= most) return value;
    throw new UsageError(`--${flag} must be a number from 0 to ${most}`);
  };
  const engine = text("engine") ?? "gpu";
  if (engine !== "gpu" && engine !== "fake") {
    throw new UsageError(`--engine must be gpu or fake, not ${engine}`);
  }
  const verify = text("verify");
  if (verify !== null && verify !== "fast" && verify !== "full") {
    throw new UsageError(`--verify must be fast or full, not ${verify}`);
  }
  const kvCacheDtype = text("kv-cache-dtype");
  if (kvCacheDtype !== null && kvCacheDtype !== "f32" && kvCacheDtype !== "f16" && kvCacheDtype !== "int8") {
    throw new UsageError(`--kv-cache-dtype must be f32, f16 or int8, not ${kvCacheDtype}`);
  }
  const port = text("port") === null && env.PORT ? Number(env.PORT) : number("port", 8000, 65535);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new UsageError("The port must be 0 to 65535");
  }
  return {
    model: text("model") ?? defaultModel,
    modelName: text("model-name"),
    host: text("host") ?? "127.0.0.1",
    port,
    engine,
    apiKeys: text("api-keys"),
    insecure: truth("insecure"),
    state: text("state"),
    allowHosts: list("allow-host"),
    allowMediaHosts: list("allow-media-host"),
    allowMediaFolder: text("allow-media-folder"),
    cors: list("cors"),
    mcp: text("mcp"),
    tls: tlsOf(text("tls-cert"), text("tls-key")),
    openStatus: truth("open-status"),
    drainGrace: number("drain-grace", 5, 3600),
    drainTimeout: number("drain-timeout", 25, 86400),
    maxWaiting: number("max-waiting", 128, 100_000),
    prefixCache: !truth("no-prefix-cache"),
    batchInvariant: truth("batch-invariant"),
    speculate: Math.floor(number("speculate", 0, MAX_DRAWS - 1)),
    kvCacheDtype,
    verify,
    engineOptions: jsonObject("engine-options", text("engine-options") ?? "{}"),
    promptOptions: jsonObject("prompt-options", text("prompt-options") ?? "{}"),
  };
}

function tlsOf(cert: string | null, key: string | null): ServeOptions["tls"] {
  if (cert !== null && key !== null) return { cert, key };
  if (cert === null && key === null) return null;
  throw new UsageError("--tls-cert and --tls-key go together");
}

/** Flags and their values as JSON. Throws UsageError naming what is no flag. */
function readConfig(path: string): Record<string, string> {
  let values: unknown;
  try {
    values = JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new UsageError(`Cannot read ${path}: it is not a JSON object`);
  }
  return Object.fromEntries(
    Object.entries(values).map(([flag, value]) => {
      if (!Object.hasOwn(FLAGS, flag) || flag === "config") {
        throw new UsageError(`${path}: there is no flag ${flag}`);
      }
      const plain = typeof value !== "object" || value === null || Array.isArray(value);
      return [flag, plain ? String(value ?? "") : JSON.stringify(value)];
    }),
  );
}

function jsonObject(flag: string, text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch { /* told below */ }
  throw new UsageError(`--${flag} must be a JSON object`);
}
