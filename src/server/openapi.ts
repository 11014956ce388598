/** The OpenAPI 3.1 document, made of the table of routes and of the schemas that check requests. */

import { z } from "zod";
import { errorSchema } from "./response_schemas.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;

/** `secured`: keys are asked for. */
export function openapiDocument(routes: readonly Route[], secured: boolean): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route, secured);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Valley Edge", version: "0.1.0", license: { name: "Apache-2.0" } },
    paths,
    components: {
      schemas: { Error: jsonSchema(errorSchema, "output") },
      ...(secured ? { securitySchemes: { key: { type: "http", scheme: "bearer" } } } : {}),
    },
  };
}

/** Statuses of errors that a route may answer with. */
const ERRORS = {
  open: [403, 503],
  status: [401, 403, 404],
  own: [400, 401, 403, 404, 500],
  work: [400, 401, 403, 404, 408, 413, 415, 429, 500, 503],
} as const;

function operation({ path, access, doc }: Route, secured: boolean): Json {
  const content: Json = {
    [doc.type ?? "application/json"]: doc.answer === undefined
      ? {}
      : { schema: jsonSchema(doc.answer, "output") },
  };
  if (doc.streams) content["text/event-stream"] = {};
  const error = doc.error === undefined
    ? { $ref: "#/components/schemas/Error" }
    : jsonSchema(doc.error, "output");
  const responses: Json = { 200: { description: "The answer", content } };
  for (const status of [...ERRORS[access], ...doc.conflicts ? [409] : [], ...doc.stores ? [507] : []]) {
    responses[status] = {
      description: "Refused",
      content: { "application/json": { schema: error } },
    };
  }
  const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return {
    summary: doc.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(doc.body && requestBody("application/json", doc.body)),
    ...(doc.form && requestBody("multipart/form-data", doc.form)),
    responses,
    ...(secured && access !== "open" ? { security: [{ key: [] }] } : {}),
  };
}

function requestBody(type: string, schema: z.ZodType): Json {
  return { requestBody: { required: true, content: { [type]: { schema: jsonSchema(schema, "input") } } } };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return rest;
}
