/** Which hub is asked, as `pull` and `serve` take it from flags and environment. */
import type { HubOptions } from "../weights/hub_client.ts";
import { commaList, type Env, isOn } from "./options.ts";

export const PUBLIC_HUB = "https://huggingface.co";

/** @param mirrors addresses with commas between them; null: `VALLEY_MIRRORS` */
export function hubOptions(env: Env, mirrors: string | null = null): HubOptions {
  return {
    endpoint: env.HF_ENDPOINT || PUBLIC_HUB,
    mirrors: commaList(mirrors ?? env.VALLEY_MIRRORS ?? ""),
    token: env.HF_TOKEN || null,
  };
}

/** `HF_HUB_OFFLINE` or `VALLEY_OFFLINE`. */
export const isOffline = (env: Env): boolean =>
  [env.VALLEY_OFFLINE, env.HF_HUB_OFFLINE].some((value) => isOn(value ?? ""));
