/** GET /docs: the OpenAPI document as a page to read. No script, nothing from elsewhere. */

import type { AppContext } from "./app_context.ts";
import { openapiDocument } from "./openapi.ts";
import { PAGE_HEADERS } from "./page.ts";
import type { Route } from "./route.ts";

type Json = Record<string, unknown>;

export function docsPage(routes: readonly Route[], { keys, served }: AppContext): Response {
  const document = openapiDocument(routes, keys !== null) as { paths: Record<string, Record<string, Json>> };
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationOf(method.toUpperCase(), path, operation))
  );
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Valley Edge: API</title>
<link rel="icon" href="/web/icon.svg">
<link rel="stylesheet" href="/web/docs.css">
</head>
<body>
<main>
<h1>Valley Edge</h1>
<p>Serves <code>${escaped(served().id)}</code>. The same as <a href="/openapi.json">an OpenAPI document</a>;
<a href="/">a page to chat with it</a>. Fields that nobody here knows are ignored and named in the header
<code>x-valley-ignored</code>.${
    keys === null ? "" : " A key is needed: <code>Authorization: Bearer KEY</code>."
  }</p>
${operations.join("\n")}
</main>
</body>
</html>
`;
  return new Response(html, { headers: { ...PAGE_HEADERS, "content-type": "text/html; charset=utf-8" } });
}

function operationOf(method: string, path: string, operation: Json): string {
  const content = (operation.requestBody as { content?: Record<string, { schema: Json }> } | undefined)
    ?.content;
  const fields = Object.values(content ?? {}).flatMap(({ schema }) => fieldsOf(schema));
  const rows = fields.map(([name, schema, required]) =>
    `<tr><td><code>${escaped(name)}</code>${required ? " *" : ""}</td><td>${escaped(typeOf(schema))}</td>` +
    `<td>${escaped(String(schema.description ?? ""))}</td></tr>`
  );
  const table = rows.length === 0
    ? ""
    : `<table><thead><tr><th>Field</th><th>Type</th><th></th></tr></thead><tbody>${
      rows.join("")
    }</tbody></table>`;
  return `<section><h2><code>${method} ${escaped(path)}</code></h2><p>${
    escaped(String(operation.summary))
  }</p>${table}</section>`;
}

/** Name, schema, and whether it must be there; of a union, the fields of all its forms. */
function fieldsOf(schema: Json | undefined): [name: string, schema: Json, required: boolean][] {
  if (schema === undefined) return [];
  const forms = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (forms !== undefined) {
    const seen = new Map(forms.flatMap((form) => fieldsOf(form)).map((field) => [field[0], field]));
    return [...seen.values()].map(([name, of]) => [name, of, false]);
  }
  const required = (schema.required ?? []) as string[];
  return Object.entries((schema.properties ?? {}) as Record<string, Json>)
    .map(([name, of]) => [name, of, required.includes(name)]);
}

/** `string`, `number 0 to 2`, `a | b`, `list of object`. */
function typeOf(schema: Json): string {
  const forms = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
  if (forms !== undefined) {
    return [...new Set(forms.filter(({ type }) => type !== "null").map(typeOf))].join(" or ");
  }
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${typeOf((schema.items ?? {}) as Json)}`;
  const { minimum, maximum } = schema;
  const bounded = (value: unknown) => typeof value === "number" && Math.abs(value) < 2 ** 31;
  const range = bounded(minimum) && bounded(maximum)
    ? ` ${minimum} to ${maximum}`
    : bounded(minimum)
    ? ` from ${minimum}`
    : "";
  return `${schema.type ?? "any"}${range}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
