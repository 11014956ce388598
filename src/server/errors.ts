/** The one way from anything thrown to an answer: OpenAI's error shape, no exception's own words. */

import { DiskFullError } from "../common/disk_full.ts";
import { EngineError } from "../engine/generation.ts";
import { PromptError } from "../families/family.ts";

export type ErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "rate_limit_error"
  | "server_error"
  | "service_unavailable";

export interface ErrorBody {
  error: { message: string; type: ErrorType; param: string | null; code: string | null };
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly type: ErrorType,
    readonly code: string | null = null,
    readonly param: string | null = null,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** What a client called its fields may be long: an error is not. */
  get body(): ErrorBody {
    const { message, type, param, code } = this;
    return { error: { message: cut(message, 1000), type, param: param && cut(param, 300), code } };
  }
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** 400 that names a field. */
export function invalid(message: string, param: string | null, code: string | null = null): ApiError {
  return new ApiError(400, message, "invalid_request_error", code, param);
}

/** What `work` throws, with a field named as the client wrote it: [name behind, its own]. */
export function renaming<T>(names: readonly (readonly [string, string])[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    const name = names.find(([behind]) => error instanceof ApiError && error.param?.startsWith(behind));
    if (name === undefined || !(error instanceof ApiError)) throw error;
    const { status, message, type, code, param, headers } = error;
    throw new ApiError(status, message.replaceAll(...name), type, code, param!.replace(...name), headers);
  }
}

export function unavailable(message: string, code: string): ApiError {
  return new ApiError(503, message, "service_unavailable", code, null, { "retry-after": "2" });
}

/** `report` hears of what no client caused. */
export function toApiError(error: unknown, report: (error: unknown) => void = () => {}): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof PromptError) return invalid(error.message, error.param, error.code);
  if (error instanceof EngineError) {
    switch (error.code) {
      // Busy, not out of order: routers take a server that says 503 out of service.
      case "full":
      case "queue_timeout": {
        const code = error.code === "full" ? "queue_full" : error.code;
        return new ApiError(429, error.message, "rate_limit_error", code, null, { "retry-after": "1" });
      }
      case "device_lost":
      case "unavailable":
        return unavailable(error.message, error.code);
      case "too_long":
        return invalid(error.message, "messages", "context_length_exceeded");
      case "media_too_large":
        return invalid(error.message, "messages", error.code);
    }
  }
  report(error);
  if (error instanceof DiskFullError) {
    const message = "The disk that holds the server's state folder is full; nothing was kept of this request";
    return new ApiError(507, message, "server_error", "disk_full");
  }
  return new ApiError(500, "The server failed on this request", "server_error", "internal_error");
}

export function errorResponse(error: ApiError): Response {
  return Response.json(error.body, { status: error.status, headers: error.headers });
}
