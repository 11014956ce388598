/** What a row of the table of routes holds. */

import type { z } from "zod";
import type { AppContext } from "./app_context.ts";
import type { Exchange } from "./exchange.ts";

/**
 * `open`: needs no key; `status`: needs none where the operator opened it; `own`: needs the key whose it
 * is; `work`: counts against the key, and needs the model.
 */
export type Access = "open" | "status" | "own" | "work";

export interface Route {
  method: "GET" | "POST" | "DELETE";
  path: string;
  access: Access;
  /** Its answer needs a place in the engine: without one it is refused before its body is read. */
  queues?: boolean;
  handler(request: Request, context: AppContext, exchange: Exchange): Response | Promise<Response>;
  /** For /openapi.json. */
  doc: {
    summary: string;
    body?: z.ZodType;
    /** A body that is multipart/form-data. */
    form?: z.ZodType;
    answer?: z.ZodType;
    /** Its state may forbid what is asked (409). */
    conflicts?: boolean;
    /** It writes into the state folder, whose disk may be full (507). */
    stores?: boolean;
    /** OpenAI's shape unless given. */
    error?: z.ZodType;
    /** Of the answer; JSON unless given. */
    type?: string;
    /** With `stream`, server-sent events. */
    streams?: boolean;
  };
}
