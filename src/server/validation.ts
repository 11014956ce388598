/** zod's findings as one error that names the field as clients write it: `messages[0].content[1].type`. */

import type { z } from "zod";
import { type ApiError, invalid } from "./errors.ts";

/** The value, typed; or throws ApiError for the first thing wrong. */
export function validated<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw issueError(result.error.issues[0] as Issue);
}

interface Issue {
  code: string;
  message: string;
  path: PropertyKey[];
  errors?: Issue[][];
  keys?: string[];
}

function issueError(issue: Issue): ApiError {
  const { path, message } = deepest(issue, []);
  const field = fieldName(path);
  return invalid(
    field === "" ? `The body: ${message}` : `${field}: ${message}`,
    field || null,
    "invalid_value",
  );
}

/** Of a union's branches, the one that got furthest is the one that was meant. */
function deepest(issue: Issue, prefix: PropertyKey[]): { path: PropertyKey[]; message: string } {
  const path = [...prefix, ...issue.path];
  if (issue.code === "invalid_union" && issue.errors !== undefined && issue.errors.length > 0) {
    const branches = issue.errors.filter((branch) => branch.length > 0).map((branch) =>
      deepest(branch[0], path)
    );
    const best = branches.reduce((a, b) => b.path.length > a.path.length ? b : a);
    if (best.path.length > path.length) return best;
    return { path, message: branches.map((branch) => branch.message).join("; or ") };
  }
  if (issue.code === "unrecognized_keys" && issue.keys?.length) {
    return { path: [...path, issue.keys[0]], message: "This field is not supported" };
  }
  return { path, message: issue.message };
}

export function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, step) =>
      typeof step === "number" ? `${name}[${step}]` : name === "" ? String(step) : `${name}.${String(step)}`,
    "",
  );
}
