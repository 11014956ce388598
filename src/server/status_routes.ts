/** Is it alive, is it ready, what does it serve. */

import { percentDecoded } from "../common/percent.ts";
import { contextOf } from "../engine/admission.ts";
import type { AppContext } from "./app_context.ts";
import { checkModel } from "./chat_request.ts";
import { unavailable } from "./errors.ts";
import { loads } from "./metrics.ts";

/** 200 only when an answer can be given. */
export function health(_request: Request, { engine, closing }: AppContext): Response {
  if (closing() !== "no") throw unavailable("The server is shutting down", "draining");
  if (engine.state !== "ready") throw unavailable("The model is being loaded", engine.state);
  return Response.json({ status: "ok" });
}

/** 503 only when the process should be ended: the engine is gone for good. */
export function live(_request: Request, { engine }: AppContext): Response {
  if (engine.state === "failed") throw unavailable("The engine has failed for good", "failed");
  return Response.json({ status: "ok" });
}

export function metrics(_request: Request, { metrics, served, watch }: AppContext): Response {
  return new Response(metrics.text(served().id, watch.latest), {
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
  });
}

export function load(_request: Request, { watch }: AppContext): Response {
  return Response.json(loads(watch.latest, watch.tokensPerSecond));
}

export function models(_request: Request, context: AppContext): Response {
  return Response.json({ object: "list", data: [describe(context)] });
}

export function model(request: Request, context: AppContext): Response {
  checkModel(percentDecoded(new URL(request.url).pathname.slice("/v1/models/".length)), context.served().id);
  return Response.json(describe(context));
}

const STARTED = Math.floor(Date.now() / 1000);

function describe({ engine: { info }, served }: AppContext) {
  const { id, card } = served();
  return {
    id,
    object: "model",
    created: STARTED,
    owned_by: "valley-edge",
    max_model_len: info === null ? null : contextOf(info),
    modalities: ["text", ...card.modalities],
    reasoning: card.reasoning,
  };
}
