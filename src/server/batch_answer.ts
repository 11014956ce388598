/** Requests of batches, put to the same handlers as those that come over HTTP. */

import { type Sent, sentOf } from "../batch/batch_run.ts";
import type { Answer, BatchHost } from "../batch/batch_worker.ts";
import type { AppContext } from "./app_context.ts";
import { errorResponse, toApiError, unavailable } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { ROUTES } from "./routes.ts";

/** Batches on the server's own engine. */
export const batchHost = (context: AppContext, report: BatchHost["report"]): BatchHost => ({
  answer: answerWithin(context),
  knows: (owner) => context.keys === null || context.keys.has(owner),
  places: () => context.engine.info?.maxSequences ?? 1,
  report,
});

/** With the owner's caches, but in a queue of its own, behind those that wait for their answer. */
const answerWithin = (context: AppContext): Answer => async (owner, path, body, signal): Promise<Sent> => {
  const route = ROUTES.find((route) => route.path === path && route.method === "POST");
  const request = new Request(`http://localhost${path}`, { method: "POST", signal });
  const exchange = new Exchange(request, context.log, context.metrics);
  exchange.body = body; // written out and parsed again, 47 MiB would hold up everybody for over a second
  exchange.route = path;
  exchange.caller = { key: `batch ${owner}`, salt: owner, background: true }; // no key has a space
  let reply: Response;
  try {
    if (route === undefined) throw new Error(`no route ${path}`);
    if (context.engine.state !== "ready") {
      throw unavailable("The model is being loaded", context.engine.state);
    }
    reply = await route.handler(request, context, exchange);
  } catch (error) {
    if (signal?.aborted) throw error;
    reply = errorResponse(toApiError(error, exchange.report));
  }
  exchange.status = reply.status;
  exchange.end(true);
  return { ...await sentOf(reply), requestId: exchange.id };
};
