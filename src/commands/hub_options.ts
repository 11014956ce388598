/** Which hub is asked, as `pull` and `serve` take it from flags and environment. */
import type { HubOptions } from "../weights/hub_client.ts";
import type { Env } from "./models_folder.ts";

export const PUBLIC_HUB = "https://huggingface.co";

/** @param mirrors addresses with commas between them; null: `VALLEY_MIRRORS` */
export function hubOptions(env: Env, mirrors: string | null = null): HubOptions {
  return {
    endpoint: env.HF_ENDPOINT || PUBLIC_HUB,
    mirrors: (mirrors ?? env.VALLEY_MIRRORS ?? "").split(",").map((m) => m.trim()).filter((m) => m !== ""),
    token: env.HF_TOKEN || null,
  };
}

/** `HF_HUB_OFFLINE` or `VALLEY_OFFLINE`. */
export const isOffline = (env: Env): boolean =>
  [env.VALLEY_OFFLINE, env.HF_HUB_OFFLINE].some((value) =>
    value !== undefined && !["", "0", "false", "no"].includes(value.toLowerCase())
  );
