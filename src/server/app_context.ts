/** What all routes share. */

import type { BatchWorker } from "../batch/batch_worker.ts";
import type { EngineStats } from "../engine/generation.ts";
import type { Keys } from "./auth.ts";
import type { PromptBuilder } from "../families/family.ts";
import type { Served } from "./chat_request.ts";
import type { MediaDecoder } from "./content.ts";
import type { EnginePort } from "./engine_port.ts";
import type { MediaAccess } from "./fetch_media.ts";
import type { Limits } from "./limits.ts";
import type { Log } from "./log.ts";
import type { McpTools } from "./mcp_tools.ts";
import type { Metrics } from "./metrics.ts";

export interface AppContext {
  engine: EnginePort;
  prompt: PromptBuilder;
  decoder: MediaDecoder;
  limits: Limits;
  /** Media at addresses that requests may name. */
  media: MediaAccess;
  log: Log;
  metrics: Metrics;
  /** The engine's counters as last told, and its speed. */
  watch: { readonly latest: EngineStats | null; readonly tokensPerSecond: number };
  /** Files and batches; absent: the server keeps no state. */
  batches?: BatchWorker;
  /** Tools of MCP servers; absent: none. */
  mcp?: McpTools;
  /** null: nobody is asked for a key. */
  keys: Keys | null;
  /** Host names that are answered to; null: any. */
  hosts: readonly string[] | null;
  /** Origins whose pages may use the server; `*`: all. */
  cors: readonly string[];
  /** What can be read of the server's state needs no key. */
  openStatus: boolean;
  /** The model by its public name. */
  served(): Served;
  /** `soon`: not ready for routers, though work is still taken; `now`: no new work. */
  closing(): "no" | "soon" | "now";
}
