/** /v1/files and /v1/batches in OpenAI's form; kept under --state, worked off by the same engine. */

import { z } from "zod";
import { BATCH_URLS } from "../batch/batch_line.ts";
import type { StoredBatch, StoredFile } from "../batch/batch_store.ts";
import type { BatchWorker } from "../batch/batch_worker.ts";
import type { AppContext } from "./app_context.ts";
import { readJson } from "./body.ts";
import { ApiError, invalid } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { formType, readForm } from "./form_body.ts";
import type { Route } from "./route.ts";
import { validated } from "./validation.ts";

/** Bytes of an upload; larger files are for `valley batch`, which reads them from disk. */
const MOST_UPLOAD = 64 << 20;

export const batchSchema = z.looseObject({
  input_file_id: z.string().max(200),
  endpoint: z.enum(BATCH_URLS as [string, ...string[]]),
  completion_window: z.literal("24h"),
  metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
});

export const fileForm = z.looseObject({ file: z.file(), purpose: z.literal("batch") });
export const fileAnswer = z.looseObject({ id: z.string(), object: z.literal("file"), bytes: z.int() });
export const batchAnswer = z.looseObject({ id: z.string(), object: z.literal("batch"), status: z.string() });
export const listAnswer = z.looseObject({ object: z.literal("list"), data: z.array(z.looseObject({})) });

export async function addFile(
  request: Request,
  context: AppContext,
  { caller }: Exchange,
): Promise<Response> {
  formType(request); // told first, as everywhere
  const { store } = worker(context);
  using upload = store.upload();
  const form = await readForm(request, {
    most: MOST_UPLOAD,
    hint: "valley batch reads larger files from disk",
    once: Object.keys(fileForm.shape),
    sink: (field) => field === "file" ? upload : null,
  });
  const { file, purpose } = validated(fileForm, Object.fromEntries(form));
  return Response.json(fileJson(store.keep(upload, caller.key, file.name.slice(0, 200), purpose)));
}

export const listFiles = (_: Request, context: AppContext, { caller }: Exchange): Response =>
  Response.json({
    object: "list",
    data: worker(context).store.files(caller.key).map(fileJson),
    has_more: false,
  });

export const getFile = (request: Request, context: AppContext, exchange: Exchange): Response =>
  Response.json(fileJson(fileOf(request, context, exchange)));

export function fileContent(request: Request, context: AppContext, exchange: Exchange): Response {
  const { id } = fileOf(request, context, exchange);
  const file = Deno.openSync(worker(context).store.path(id), { read: true });
  return new Response(file.readable, { headers: { "content-type": "application/jsonl" } });
}

export function removeFile(request: Request, context: AppContext, exchange: Exchange): Response {
  const file = fileOf(request, context, exchange);
  const { store } = worker(context);
  const open = store.batches(exchange.caller.key)
    .some(({ input, status }) => input === file.id && ["validating", "in_progress"].includes(status));
  if (open) {
    throw new ApiError(409, "A batch is at work on this file", "invalid_request_error", "file_in_use");
  }
  store.removeFile(file);
  return Response.json({ id: file.id, object: "file", deleted: true });
}

export async function addBatch(
  request: Request,
  context: AppContext,
  { caller }: Exchange,
): Promise<Response> {
  const given = validated(batchSchema, await readJson(request, context.limits));
  const batches = worker(context);
  if (batches.store.file(caller.key, given.input_file_id) === null) {
    throw invalid(`There is no file ${given.input_file_id}`, "input_file_id", "file_not_found");
  }
  const metadata = JSON.stringify(given.metadata ?? null);
  const batch = batches.store.addBatch(caller.key, given.input_file_id, given.endpoint, metadata);
  batches.wake();
  return Response.json(batchJson(batch));
}

export const listBatches = (_: Request, context: AppContext, { caller }: Exchange): Response =>
  Response.json({
    object: "list",
    data: worker(context).store.batches(caller.key).map(batchJson),
    has_more: false,
  });

export const getBatch = (request: Request, context: AppContext, exchange: Exchange): Response =>
  Response.json(batchJson(batchOf(request, context, exchange)));

export function cancelBatch(request: Request, context: AppContext, exchange: Exchange): Response {
  const { id, status } = batchOf(request, context, exchange);
  const batches = worker(context);
  if (!["validating", "in_progress", "cancelling"].includes(status)) {
    throw new ApiError(409, `The batch is ${status} already`, "invalid_request_error", "batch_over");
  }
  batches.store.update(id, { status: "cancelling" });
  batches.cancel(id);
  return Response.json(batchJson(batches.store.batch(exchange.caller.key, id)!));
}

function worker({ batches }: AppContext): BatchWorker {
  if (batches) return batches;
  throw invalid("Files and batches need a server that was started with --state FOLDER", null, "no_state");
}

/** The path's part after files or batches. */
function idIn(request: Request): string {
  return new URL(request.url).pathname.split("/")[3] ?? "";
}

function fileOf(request: Request, context: AppContext, { caller }: Exchange): StoredFile {
  const file = worker(context).store.file(caller.key, idIn(request));
  if (file !== null) return file;
  throw new ApiError(404, "There is no such file", "invalid_request_error", "file_not_found");
}

function batchOf(request: Request, context: AppContext, { caller }: Exchange): StoredBatch {
  const batch = worker(context).store.batch(caller.key, idIn(request));
  if (batch !== null) return batch;
  throw new ApiError(404, "There is no such batch", "invalid_request_error", "batch_not_found");
}

const fileJson = ({ id, filename, purpose, bytes, created }: StoredFile) => ({
  id,
  object: "file",
  bytes,
  created_at: created,
  filename,
  purpose,
});

function batchJson(b: StoredBatch) {
  const over = (status: string) => b.status === status ? b.finished : null;
  return {
    id: b.id,
    object: "batch",
    endpoint: b.endpoint,
    errors: b.problem === null
      ? null
      : { object: "list", data: [{ code: "invalid_file", message: b.problem, param: null, line: null }] },
    input_file_id: b.input,
    completion_window: "24h",
    status: b.status,
    output_file_id: b.output,
    error_file_id: b.errors,
    created_at: b.created,
    in_progress_at: b.started,
    completed_at: over("completed"),
    failed_at: over("failed"),
    cancelled_at: over("cancelled"),
    request_counts: { total: b.total, completed: b.completed, failed: b.failed },
    metadata: JSON.parse(b.metadata),
  };
}

export const BATCH_ROUTES: readonly Route[] = [
  {
    method: "POST",
    path: "/v1/files",
    access: "work",
    handler: addFile,
    doc: { summary: "Upload a file of requests", form: fileForm, answer: fileAnswer, stores: true },
  },
  {
    method: "GET",
    path: "/v1/files",
    access: "own",
    handler: listFiles,
    doc: { summary: "Files of this key", answer: listAnswer },
  },
  {
    method: "GET",
    path: "/v1/files/:id",
    access: "own",
    handler: getFile,
    doc: { summary: "One file", answer: fileAnswer },
  },
  {
    method: "GET",
    path: "/v1/files/:id/content",
    access: "own",
    handler: fileContent,
    doc: { summary: "What is in a file", type: "application/jsonl" },
  },
  {
    method: "DELETE",
    path: "/v1/files/:id",
    access: "own",
    handler: removeFile,
    doc: {
      summary: "Delete a file",
      answer: z.looseObject({ id: z.string(), deleted: z.boolean() }),
      conflicts: true,
      stores: true,
    },
  },
  {
    method: "POST",
    path: "/v1/batches",
    access: "work",
    handler: addBatch,
    doc: { summary: "Answer a file of requests", body: batchSchema, answer: batchAnswer, stores: true },
  },
  {
    method: "GET",
    path: "/v1/batches",
    access: "own",
    handler: listBatches,
    doc: { summary: "Batches of this key", answer: listAnswer },
  },
  {
    method: "GET",
    path: "/v1/batches/:id",
    access: "own",
    handler: getBatch,
    doc: { summary: "How far a batch is", answer: batchAnswer },
  },
  {
    method: "POST",
    path: "/v1/batches/:id/cancel",
    access: "own",
    handler: cancelBatch,
    doc: { summary: "End a batch early", answer: batchAnswer, conflicts: true, stores: true },
  },
];
