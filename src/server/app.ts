/** All routes, and what holds for every one of them: request ids, one error path, JSON for whatever is not there. */

import { type Context, Hono } from "hono";
import { checkHost } from "./auth.ts";
import type { AppContext } from "./app_context.ts";
import { chatCompletions } from "./chat.ts";
import { completions } from "./completions.ts";
import { ApiError, errorResponse, toApiError, unavailable } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { health, live, load, metrics, model, models } from "./status_routes.ts";
import { applyTemplate, detokenize, tokenize } from "./text_routes.ts";

type Env = { Variables: { exchange: Exchange } };
type RouteHandler = (
  request: Request,
  context: AppContext,
  exchange: Exchange,
) => Response | Promise<Response>;

/** `open`: needs no key; `status`: needs none where the operator opened it; `work`: counts against the key. */
export type Access = "open" | "status" | "work";

export interface Route {
  method: "GET" | "POST";
  path: string;
  access: Access;
  handler: RouteHandler;
}

/** All there is; the test of routes walks this table. */
export const ROUTES: readonly Route[] = [
  { method: "POST", path: "/v1/chat/completions", access: "work", handler: chatCompletions },
  { method: "POST", path: "/v1/completions", access: "work", handler: completions },
  { method: "GET", path: "/v1/models", access: "status", handler: models },
  { method: "GET", path: "/v1/models/:id{.+}", access: "status", handler: model },
  { method: "POST", path: "/tokenize", access: "work", handler: tokenize },
  { method: "POST", path: "/detokenize", access: "work", handler: detokenize },
  { method: "POST", path: "/apply-template", access: "work", handler: applyTemplate },
  { method: "GET", path: "/metrics", access: "status", handler: metrics },
  { method: "GET", path: "/v1/loads", access: "status", handler: load },
  { method: "GET", path: "/health", access: "open", handler: health },
  { method: "GET", path: "/readyz", access: "open", handler: health },
  { method: "GET", path: "/livez", access: "open", handler: live },
];

export function createApp(context: AppContext): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const exchange = new Exchange(c.req.raw, context.log, context.metrics);
    c.set("exchange", exchange);
    await next();
    c.res.headers.set("x-request-id", exchange.id);
    c.res.headers.set("x-content-type-options", "nosniff");
    exchange.status = c.res.status;
    if (!exchange.streaming) exchange.end(c.res.status !== 499);
  });
  for (const { method, path, access, handler } of ROUTES) {
    app.on(method, path, (c) => {
      const exchange = c.get("exchange");
      exchange.route = path.replace(/\{.*\}/, "");
      admitCaller(c.req.raw, access, context, exchange);
      return handler(c.req.raw, context, exchange) as Promise<Response>;
    });
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const allowed = ROUTES.filter((route) => route.path === path).map((route) => route.method);
    app.all(path, (c) => refuseMethod(c, allowed));
  }
  app.notFound(() =>
    errorResponse(new ApiError(404, "There is nothing at this address", "invalid_request_error", "not_found"))
  );
  app.onError((error, c) => {
    const exchange = c.get("exchange");
    if (c.req.raw.signal.aborted) return new Response(null, { status: 499 }); // nobody reads it
    const failure = toApiError(error, exchange.report);
    exchange.note({ error: failure.code });
    return errorResponse(failure);
  });
  return app;
}

/** Host name, key and its limits, readiness. Throws ApiError. */
function admitCaller(request: Request, access: Access, context: AppContext, exchange: Exchange): void {
  const { keys, hosts, openStatus, engine, closing } = context;
  checkHost(request.headers, hosts);
  if (access === "work" && closing() === "now") throw unavailable("The server is shutting down", "draining");
  if (access === "work" && engine.state !== "ready") {
    throw unavailable("The model is being loaded", engine.state);
  }
  if (keys === null || access === "open" || (access === "status" && openStatus)) return;
  const key = keys.authenticate(request.headers);
  exchange.caller = { key: key.name, salt: key.name };
  exchange.note({ key: key.name });
  if (access === "work") exchange.whenOver(keys.take(key));
}

function refuseMethod(c: Context, allowed: readonly string[]): Response {
  const message = `${c.req.method.slice(0, 16)} is not allowed here; ${allowed.join(", ")} is`;
  return errorResponse(
    new ApiError(405, message, "invalid_request_error", "method_not_allowed", null, {
      allow: allowed.join(", "),
    }),
  );
}
