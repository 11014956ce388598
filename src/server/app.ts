/** All routes, and what holds for every one of them: request ids, one error path, JSON for whatever is not there. */

import { type Context, Hono } from "hono";
import { anthropicErrorBody } from "./anthropic.ts";
import { checkHost } from "./auth.ts";
import type { AppContext } from "./app_context.ts";
import { ApiError, errorResponse, toApiError, unavailable } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import type { Access } from "./route.ts";
import { allowOrigin, preflight } from "./cors.ts";
import { PAGE_ROUTES } from "./page.ts";
import { ROUTES } from "./routes.ts";

type Env = { Variables: { exchange: Exchange } };
export function createApp(context: AppContext): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const exchange = new Exchange(c.req.raw, context.log, context.metrics);
    c.set("exchange", exchange);
    const early = preflight(c.req.raw, context.cors);
    if (early === null) await next();
    else c.res = early;
    allowOrigin(c.req.raw, c.res, context.cors);
    c.res.headers.set("x-request-id", exchange.id);
    c.res.headers.set("x-content-type-options", "nosniff");
    exchange.status = c.res.status;
    if (!exchange.streaming) exchange.end(c.res.status !== 499);
  });
  for (const { method, path, access, queues, handler } of [...ROUTES, ...PAGE_ROUTES]) {
    app.on(method, path, (c) => {
      const exchange = c.get("exchange");
      exchange.route = path.replace(/\{.*\}/, "");
      admitCaller(c.req.raw, access, context, exchange);
      if (queues) context.engine.checkRoom(exchange.caller.key);
      return handler(c.req.raw, context, exchange) as Promise<Response>;
    });
  }
  for (const path of new Set([...ROUTES, ...PAGE_ROUTES].map((route) => route.path))) {
    const allowed = [...ROUTES, ...PAGE_ROUTES].filter((route) => route.path === path).map((route) =>
      route.method
    );
    app.all(path, (c) => failureFor(path, wrongMethod(c, allowed)));
  }
  app.notFound((c) => errorResponse(nothingAt(c.req.path)));
  app.onError((error, c) => {
    const exchange = c.get("exchange");
    if (c.req.raw.signal.aborted) return new Response(null, { status: 499 }); // nobody reads it
    const failure = toApiError(error, exchange.report);
    exchange.note({ error: failure.code });
    return failureFor(c.req.path, failure);
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

/** In the words of the API that the path belongs to. */
function failureFor(path: string, error: ApiError): Response {
  if (!path.startsWith("/v1/messages")) return errorResponse(error);
  return Response.json(anthropicErrorBody(error), { status: error.status, headers: error.headers });
}

/** Names the address that a wrong base URL or a slash too many has missed. */
function nothingAt(path: string): ApiError {
  const bare = path.replace(/\/+$/, "").replace(/^(\/v1)+(?=\/)/, "");
  const meant = ROUTES.find((route) => route.path === `/v1${bare}` || route.path === bare);
  const message = `There is nothing at this address${meant === undefined ? "" : `; ${meant.path} is here`}`;
  return new ApiError(404, message, "invalid_request_error", "not_found");
}

function wrongMethod(c: Context, allowed: readonly string[]): ApiError {
  const message = `${c.req.method.slice(0, 16)} is not allowed here; ${allowed.join(", ")} is`;
  return new ApiError(405, message, "invalid_request_error", "method_not_allowed", null, {
    allow: allowed.join(", "),
  });
}
